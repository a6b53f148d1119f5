"""What uvicorn's WebSocket protocol leaves open: how much a client may say, whatever it consists of.

A follower has nothing to say but pongs and goodbye. uvicorn bounds a message; pings, empty fragments and messages of a
few bytes have no end there, and the answers to pings wait without bound for a reader who takes none. A handshake that
websockets cannot read is never answered.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from apps.api.server.budget import Budget
from apps.api.server.crowd import Crowd
from apps.api.server.refusing import Headers, written
from apps.api.server.weighing import Scales
from libs import limits
from libs.errors import Refusal
from libs.metrics import Metrics

__all__ = ["SocketProtocol"]

_TOO_MUCH = 1008  # RFC 6455, 7.4.1: a message that violates a policy


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's; it takes a connection over from HTTP, which has let go of its place in the crowd just before."""

    crowd: Crowd | None = None
    budget: Budget | None = None
    metrics: Metrics | None = None
    _sender: str | None = None
    _scales: Scales | None = None
    _said_bytes = 0.0
    _said_at_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place."""
        super().connection_made(transport)
        if self.crowd is not None:
            self._sender = self.crowd.enter(self.client[0] if self.client else None)
        if self.budget is not None:
            spared = self._sender == ""
            self._scales = Scales(self.budget, self.transport, self.client, spared=spared)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give it back."""
        if self.crowd is not None and self._sender is not None:
            self.crowd.leave(self._sender)
        self._sender = None
        if self._scales is not None:
            self._scales.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """The handshake, as HTTP has read it, or frames."""
        if not self.handshake_initiated:
            self._shake_hands(data)
        elif self._is_allowed(len(data)):
            super().data_received(data)
        elif not self.transport.is_closing():
            self._cut()

    def pause_writing(self) -> None:
        """The reader lags."""
        super().pause_writing()
        if self._scales is not None and self.handshake_initiated:
            self._scales.weigh_untaken(self.scope)

    def resume_writing(self) -> None:
        """It has caught up."""
        super().resume_writing()
        if self._scales is not None:
            self._scales.taken()

    def _shake_hands(self, head: bytes) -> None:
        super().data_received(head)
        if self.handshake_initiated:
            self._said_at_s = self.loop.time()
            return
        refusal = Refusal("headers_too_large", "A line of a WebSocket's handshake has 8 KiB at most")
        if self.metrics is not None:
            self.metrics.refusals.labels(refusal.code).inc()
        fixed: Headers = getattr(self.app, "headers", [])
        self.transport.write(written(refusal, fixed))
        self.transport.close()

    def _is_allowed(self, size: int) -> bool:
        """A bucket of bytes, which runs out as time goes by."""
        now_s = self.loop.time()
        spent = (now_s - self._said_at_s) * limits.SOCKET_BYTES_PER_S
        self._said_bytes = max(0.0, self._said_bytes - spent) + size
        self._said_at_s = now_s
        return self._said_bytes <= limits.SOCKET_BYTES_MAX

    def _cut(self) -> None:
        """Say why and close."""
        self.queue.put_nowait({"type": "websocket.disconnect", "code": _TOO_MUCH, "reason": ""})
        if self.handshake_complete and not self.close_sent:
            self.conn.fail(_TOO_MUCH, "a follower has nothing to say")
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()
