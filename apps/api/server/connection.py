"""One HTTP connection: whose it is, what of it is counted, how long it may say nothing, and how it ends."""

from __future__ import annotations

import asyncio
import socket

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from apps.api.server.budget import Budget
from apps.api.server.crowd import Crowd
from apps.api.server.flow import Flow
from apps.api.server.framing import FramedProtocol
from apps.api.server.refusing import Headers, written
from apps.api.server.weighing import Scales
from libs import limits
from libs.errors import Refusal
from libs.metrics import Metrics

__all__ = ["ConnectionProtocol"]

#: How long, and for how much more, whoever has been refused may go on sending before it is closed on them.
_LINGER_S = 2.0
_LINGER_BYTES_MAX = 1024 * 1024
#: What the kernel holds of an answer that nobody takes; it would grow to megabytes by itself.
_SEND_BUFFER_BYTES = 256 * 1024


class ConnectionProtocol(FramedProtocol):
    """uvicorn's; of an address there are so many, and each is closed in time and with time to read why."""

    crowd: Crowd | None = None
    budget: Budget | None = None
    metrics: Metrics | None = None
    _sender: str | None = None
    _scales: Scales | None = None
    _timer: asyncio.TimerHandle | None = None
    _running: RequestResponseCycle | None = None  # uvicorn's `cycle` is the latest, which may wait behind it
    _deaf = False  # what else comes is dropped
    _lingering = False  # everything is said; the other side is given time to read it
    _may_drop_bytes = _LINGER_BYTES_MAX  # while it lingers

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for a request, but not for ever; one connection too many of an address is closed at once."""
        super().connection_made(transport)
        self.flow = Flow(transport, held_back=self._held_back, resumed=self._resumed)
        if (accepted := transport.get_extra_info("socket")) is not None:
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        if self.crowd is not None:
            self._sender = self.crowd.enter(self.client[0] if self.client else None)
            if self._sender is None:
                self._turn_away()
                return
        if self.budget is not None:
            self._scales = Scales(self.budget, transport, self.client, spared=self._sender == "")
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer, and everything that was counted."""
        self._stop_timer()
        self._leave()
        if self._running is not None:
            self._running.disconnected = not self._running.response_complete
            self._running.message_event.set()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The other side lags."""
        super().pause_writing()
        if self._scales is not None and self.cycle is not None:
            self._scales.weigh_untaken(self.cycle.scope)

    def resume_writing(self) -> None:
        """It has caught up, or is gone."""
        super().resume_writing()
        if self._scales is not None:
            self._scales.taken()

    def _turn_away(self) -> None:
        """Say so and close, without the patience that others get: patience is what is being used up."""
        self._deaf = True
        members = {"violated-policies": ["connections"]}
        refusal = Refusal("rate_limited", "Too many connections from your address", retry_after_s=5, members=members)
        self._count(refusal)
        self.transport.write(written(refusal, self._fixed))
        self.transport.close()

    def _say(self, refusal: Refusal) -> None:
        self._count(refusal)
        self.transport.write(written(refusal, self._fixed))
        self._linger()

    @property
    def _fixed(self) -> Headers:
        found: Headers = getattr(self.app, "headers", [])  # the outermost middleware's
        return found

    def _count(self, refusal: Refusal) -> None:
        if self.metrics is not None:
            self.metrics.refusals.labels(refusal.code).inc()

    def _leave(self) -> None:
        if self.crowd is not None and self._sender is not None:
            self.crowd.leave(self._sender)
        self._sender = None
        if self._scales is not None:
            self._scales.clear()

    def _close_gently(self) -> None:
        """Close; whoever may still be sending gets time to read the answer.

        Many clients read nothing before their whole body is sent, so where one is under way all of it may come, as long
        as on a connection that stays open.
        """
        if self._deaf:
            self._linger()
        elif self.in_body:
            self._may_drop_bytes = limits.BODY_DISCARD_BYTES_MAX
            self._linger(limits.HEADERS_S)
        else:
            self.transport.close()

    def _linger(self, for_s: float | None = None) -> None:
        """Close once the client has had time to read: closing on what it still sends would take the answer back."""
        self._deaf = self._lingering = True
        self.in_head = False
        self._stop_timer()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        self.transport.write_eof()
        self._timer = self.loop.call_later(_LINGER_S if for_s is None else for_s, self.transport.close)

    def _drop(self, size: int) -> None:
        self._may_drop_bytes -= size
        if self._may_drop_bytes < 0:
            self.transport.close()

    def _rest(self) -> None:
        """Between two requests."""
        self._stop_timer()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(limits.HEADERS_S, self._too_late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _held_back(self) -> bool:
        return bool(self.pipeline) or (self._deaf and not self._lingering)

    def _resumed(self) -> None:
        if self._scales is not None:
            self._scales.read()

    def _too_late(self) -> None:
        self._timer = None
        self.transport.close()
