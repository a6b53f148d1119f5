"""What uvicorn's HTTP protocol leaves open: how long and how large the headers of a request may be.

uvicorn itself waits for ever and reads without end until the headers are there, and answers what it cannot parse in
plain text. Here request line and headers have HEADERS_BYTES_MAX bytes (431) and HEADERS_S seconds (408), and what is no
HTTP at all gets a problem like everyone else.
"""

from __future__ import annotations

import asyncio
import socket

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from apps.api.middleware.observe import new_request_id
from apps.api.problems import problem
from apps.api.server.crowd import Crowd
from libs import limits
from libs.errors import Refusal

__all__ = ["HttpProtocol"]

_LINGER_S = 2.0
#: What the kernel holds of an answer that nobody takes; it would grow to megabytes by itself.
_SEND_BUFFER_BYTES = 256 * 1024


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's, with limits on what comes before a request is one."""

    _in_headers = False
    _header_bytes = 0  # of headers that have not ended yet, in whole reads
    _maybe_too_large = False
    _code = "malformed_request"
    _timer: asyncio.TimerHandle | None = None
    _refused = False
    _sender: str | None = None
    crowd: Crowd | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for a request, but not for ever; one connection too many of an address is closed at once."""
        super().connection_made(transport)
        if (accepted := transport.get_extra_info("socket")) is not None:
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        if self.crowd is not None:
            self._sender = self.crowd.enter(self.client[0] if self.client else None)
            if self._sender is None:
                self._turn_away()
                return
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._stop_timer()
        self._leave()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """From here on another protocol has the connection, and its place in the crowd."""
        self._leave()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        """Parse on. Headers mostly come in one read, and cost nothing then."""
        if self._refused:
            return
        received = self._header_bytes + len(data)
        self._maybe_too_large = received > limits.HEADERS_BYTES_MAX
        was_in_headers = self._in_headers
        super().data_received(data)
        if not self._in_headers:
            self._header_bytes = 0
        elif was_in_headers:
            self._header_bytes = received
            if self._maybe_too_large:
                self._refuse("headers_too_large")
        elif self._timer is None:
            self._start_timer()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_headers = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The headers are there."""
        self._in_headers = False
        self._stop_timer()
        if self._maybe_too_large:
            self._check_size()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what never became a request, and close. httptools tells so of an exception in a callback, too."""
        self._answer(Refusal(self._code, "" if self._code != "malformed_request" else msg))
        self._linger()

    def _turn_away(self) -> None:
        """Say so and close, without the patience that others get: patience is what is being used up."""
        self._refused = True
        members = {"violated-policies": ["connections"]}
        self._answer(
            Refusal("rate_limited", "Too many connections from your address", retry_after_s=5, members=members)
        )
        self.transport.close()

    def _leave(self) -> None:
        if self.crowd is not None and self._sender is not None:
            self.crowd.leave(self._sender)
        self._sender = None

    def _answer(self, refusal: Refusal) -> None:
        request_id = new_request_id()
        answer = problem(refusal, request_id)
        fixed = getattr(self.app, "headers", [])  # the outermost middleware's
        headers = [*fixed, *answer.raw_headers, (b"x-request-id", request_id.encode()), (b"connection", b"close")]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self.transport.write(b"".join([STATUS_LINE[answer.status_code], *lines, b"\r\n", bytes(answer.body)]))

    def _check_size(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > limits.HEADERS_BYTES_MAX:
            self._code = "headers_too_large"
            raise ValueError("headers too large")

    def _refuse(self, code: str) -> None:
        self._code = code
        self.send_400_response("")

    def _linger(self) -> None:
        """Close once the client has had time to read: closing on what it still sends would take the answer back."""
        self._refused, self._in_headers = True, False
        self._stop_timer()
        self.transport.write_eof()
        self._timer = self.loop.call_later(_LINGER_S, self.transport.close)

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(limits.HEADERS_S, self._too_late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self._timer = None
        if self.cycle is not None and not self.cycle.response_complete:
            self._start_timer()  # an answer to an earlier request is on its way; not into the middle of it
        elif self._in_headers:
            self._refuse("request_timeout")
        else:
            self.transport.close()
