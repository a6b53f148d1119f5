"""What uvicorn's HTTP protocol leaves open: how long, how large and how many the parts of requests may be.

uvicorn itself waits for ever and reads without end until the headers are there, answers what it cannot parse in plain
text and into the middle of another answer, and queues requests without end behind one that is under way. Here every
part has its limit (`framing`), every wait its time, and what is no HTTP at all gets a problem like everyone else.
"""

from __future__ import annotations

from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from apps.api.server.connection import ConnectionProtocol
from apps.api.server.flow import Line
from apps.api.server.refusing import Refusing
from apps.api.server.upgrades import CONNECT, is_handshake, without_upgrade
from apps.api.server.weighing import Scales
from libs import limits
from libs.errors import Refusal

__all__ = ["HttpProtocol"]


class HttpProtocol(ConnectionProtocol):
    """The requests of a connection: which are carried out, in which order, and what else is said."""

    _said_again = False  # the head asks for another protocol, and is parsed again without
    _no_request = False  # the head is refused
    _last_word: Refusal | None = None
    _dropped_bytes = 0  # of a body, behind its answer

    def handle_websocket_upgrade(self) -> None:
        """From here on another protocol has the connection, and its place in the crowd."""
        self._deaf = True
        self._leave()
        super().handle_websocket_upgrade()

    # What comes

    def data_received(self, data: bytes) -> None:
        """Parse on, and see that what has not ended will."""
        if self._deaf:
            self._drop(len(data))
            return
        self._unset_keepalive_if_required()
        self.begin_read()
        self._feed(data)
        if not self._deaf:
            self._attend()

    def on_message_begin(self) -> None:
        """A request begins."""
        if self._deaf:
            self.stop(Refusal("malformed_request"))  # told to nobody
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The headers are there: a request, or what is refused as one."""
        self.in_head = False
        self._stop_timer()
        refusal = self._head_refusal()
        self._no_request = refusal is not None
        if refusal is not None:
            self._refuse_head(refusal)
        elif self.parser.should_upgrade() and not self._should_upgrade():
            self._said_again = True
        else:
            super().on_headers_complete()
            if self.expect_100_continue and self.cycle is not None:
                self.cycle.keep_alive = False  # nobody knows whether a body comes behind an answer other than 100

    def on_body(self, body: bytes) -> None:
        """More of a body; behind its answer it is dropped, but not without end."""
        super().on_body(body)
        if self.cycle.response_complete:
            self._dropped_bytes += len(body)
            if self._dropped_bytes > limits.BODY_DISCARD_BYTES_MAX:
                self.stop(Refusal("body_too_large"))

    def on_message_complete(self) -> None:
        """The body is there."""
        if self._said_again:
            return
        super().on_message_complete()
        if self.in_body and self.cycle.response_complete:
            self.cycle.more_body = False
            self._dropped_bytes = 0
            self._rest()

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
            self.end_read(len(data))
        except httptools.HttpParserUpgrade as upgrade:
            self._switch(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(self.refusal or Refusal("malformed_request", f"Invalid HTTP request received: {error}"))
        except Refusal as refusal:
            self._refuse(refusal)

    def _switch(self, rest: bytes) -> None:
        """Another protocol takes over, or the same request is parsed again as one that asks for none."""
        if self._said_again:
            self._said_again = False
            head = without_upgrade(self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers)
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self._feed(head + rest)
        elif not self._deaf:
            self.handle_websocket_upgrade()

    def _should_upgrade(self) -> bool:
        """Whether this request opens a WebSocket, now."""
        if self._no_request or self._busy:
            return False
        form = is_handshake(self.parser.get_method(), self.parser.get_http_version(), self.headers)
        return form and super()._should_upgrade()

    def _attend(self) -> None:
        """Whoever is to send something has a time limit, and so has whoever sends nothing that means something."""
        cycle = self.cycle
        if self.in_head or (cycle is not None and cycle.response_complete):
            if self._timer is None and self.timeout_keep_alive_task is None:
                self._start_timer()
        elif cycle is not None:
            if cycle.more_body and cycle.transport is self.transport:
                cycle.transport = cast("Any", Line(self.transport, self._close_gently))
            if self.flow.read_paused and self._scales is not None:
                self._weigh(self._scales)

    def _weigh(self, scales: Scales) -> None:
        waiting = [queued for queued, _app in self.pipeline] or [self.cycle]
        try:
            scales.weigh_unread(self.cycle.scope, sum(len(cycle.body) for cycle in waiting))
        except Refusal as refusal:
            self._refuse(refusal)

    # What is answered

    @property
    def _busy(self) -> bool:
        return self._running is not None and not self._running.response_complete

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Go on with the next request, with what is left to say, or with the rest of this one's body."""
        super().on_response_complete()
        if self._lingering:
            self._unset_keepalive_if_required()
        elif self.pipeline or self.transport.is_closing():
            return
        elif self._last_word is not None:
            self._say(self._last_word)
        elif self.cycle.more_body:
            self._unset_keepalive_if_required()
            self._start_timer()

    def _too_late(self) -> None:
        if self.in_head:
            self._refuse(Refusal("request_timeout"))
        else:
            super()._too_late()

    def _head_refusal(self) -> Refusal | None:
        if self.parser.get_method() == CONNECT:
            return Refusal("not_implemented", "This server is no proxy")
        if len(self.pipeline) >= limits.PIPELINED_REQUESTS_MAX:
            members = {"violated-policies": ["pipelined"]}
            return Refusal("rate_limited", "Wait for answers before you send more", retry_after_s=1, members=members)
        return self.head_refusal()

    def _refuse_head(self, refusal: Refusal) -> None:
        """Answer in turn, and hear nothing more."""
        app, self.url = self.app, b"/"
        self.app = cast("Any", Refusing(refusal, self._fixed, refusal.retry_after_s or 0))
        super().on_headers_complete()
        self.app = app
        self._count(refusal)
        self.cycle.keep_alive = False
        self.cycle.transport = cast("Any", Line(self.transport, self._close_gently))
        self._deaf = True

    def _refuse(self, refusal: Refusal) -> None:
        """Say why and close: once everything before is answered, and not into the middle of an answer."""
        if self._deaf:
            return
        self._deaf = True
        self._stop_timer()
        cycle, of_its_body = self.cycle, self.in_body
        if self._busy and not (of_its_body and cycle is self._running):
            if of_its_body:
                self.pipeline.popleft()  # it has not begun
            self._last_word = refusal
            self.flow.pause_reading()
        elif of_its_body and cycle.response_started:
            self._close_gently()
        else:
            if of_its_body:
                cycle.disconnected = True  # its application says nothing any more
                cycle.message_event.set()
            self._say(refusal)
