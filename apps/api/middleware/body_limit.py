"""Bodies: counted as they stream, each by itself and all together, and not waited for without end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.api.server.budget import Budget, Hold, whose
from apps.api.server.files import Files
from libs import limits
from libs.errors import Refusal

__all__ = ["BodyLimit"]

_CLOSE = {"Connection": "close"}
#: How long the rest of a refused body may pause while it is dropped.
_LINGER_S = 2.0


class BodyLimit:
    """Refuses a body when it is read: longer than `bytes_max`, other than its Content-Length says, or too slow.

    What has come of it is held in the budget until the request is over, or lets go of it. The same holds of what the
    request reads from the object store.
    """

    def __init__(
        self,
        app: ASGIApp,
        budget: Budget,
        files: Files | None = None,
        *,
        bytes_max: int,
        idle_s: float | None = None,
        whole_s: float | None = None,
    ) -> None:
        self._app = app
        self._budget = budget
        self._files = files or Files(budget)
        self._bytes_max = bytes_max
        self._idle_s = limits.BODY_IDLE_S if idle_s is None else idle_s
        self._whole_s = limits.BODY_S if whole_s is None else whole_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        self._files.begin(scope)
        try:
            await (self._with_body if scope["type"] == "http" else self._app)(scope, receive, send)
        finally:
            self._files.end(scope)

    async def _with_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        declared = _declared(scope)
        body = _Body(scope, receive, self._budget, declared, self._bytes_max, self._idle_s, self._whole_s)
        scope["arqade.body"] = body
        try:
            await self._app(scope, body.receive, send)
        except Refusal as refusal:
            if refusal is body.refusal:
                refusal.__traceback__ = None  # its frames hold what has come so far
                body.release()
                if refusal.code != "rate_limited":  # it is those who take too much that come again and again
                    await body.discard()
                if not body.ended:
                    refusal.headers |= _CLOSE
            raise
        finally:
            body.release()


@dataclass(slots=True)
class _Body:
    """One request's body on its way in. `refusal` is why it is taken no further, and is told once the rest is gone."""

    scope: Scope
    source: Receive
    budget: Budget
    declared: int | None
    bytes_max: int
    idle_s: float
    whole_s: float
    late_at_s: float | None = None
    count: int = 0
    ended: bool = False
    hold: Hold | None = None
    refusal: Refusal | None = None

    def grow(self, count: int) -> None:
        """Count what is made of it, a tree, as long as the body itself; refuses as the budget does."""
        if self.hold is not None:
            self.hold.grow(count)

    def release(self) -> None:
        """Count it no more."""
        if self.hold is not None:
            self.hold.release()

    async def receive(self) -> Message:
        """The next piece; once the body has ended, whatever comes then."""
        if self.ended:
            return await self.source()
        if (fits := self.scope.get("arqade.body_bytes_max")) is not None:  # the route's own, known by now
            self.bytes_max = min(self.bytes_max, fits)
        if self.declared is not None and self.declared > self.bytes_max:
            raise self._too_large(_CLOSE if self.declared > limits.BODY_DISCARD_BYTES_MAX else {})
        message = await self._next()
        if self.count > self.bytes_max:
            self.refusal = self._too_large()
            raise self.refusal
        if self.declared is not None and (self.count > self.declared or (self.ended and self.count < self.declared)):
            raise Refusal("malformed_request", "The body is not as long as its Content-Length says", headers=_CLOSE)
        if not self.ended or self.count > limits.BODY_SMALL_BYTES_MAX:
            self._hold(len(message.get("body", b"")))
        return message

    def _hold(self, size: int) -> None:
        """Count what has come. Once it is whole it is joined and then parsed, and lies in memory twice."""
        if self.hold is None:
            self.hold = self.budget.hold(whose(self.scope), "body")
        if self.count <= limits.BODY_SMALL_BYTES_MAX:
            self.hold.note(size)
            return
        try:
            self.hold.grow(size + self.count if self.ended else size)
        except Refusal as refusal:
            self.refusal = refusal
            raise

    async def _next(self) -> Message:
        now_s = asyncio.get_running_loop().time()
        if self.late_at_s is None:
            self.late_at_s = now_s + self.whole_s
        try:
            async with asyncio.timeout_at(min(now_s + self.idle_s, self.late_at_s)):
                message = await self.source()
        except TimeoutError:
            detail = f"A body may pause for {self.idle_s:g} s, and take {self.whole_s:g} s in all"
            raise Refusal("request_timeout", detail, headers=_CLOSE) from None
        if message["type"] == "http.disconnect":
            self.ended, self.declared = True, None
            self.release()
        else:
            self.count += len(message.get("body", b""))
            self.ended = not message.get("more_body", False)
        return message

    async def discard(self) -> None:
        """Drop the rest, up to a bound: who is still sending when the connection closes may never read why."""
        self.idle_s = min(self.idle_s, _LINGER_S)
        with suppress(Refusal):
            while not self.ended and self.count < limits.BODY_DISCARD_BYTES_MAX:
                await self._next()

    def _too_large(self, headers: Mapping[str, str] | None = None) -> Refusal:
        return Refusal("body_too_large", f"A body has at most {self.bytes_max} bytes", headers=headers)


def _declared(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit():
                raise Refusal("malformed_request", "The Content-Length is no number", headers=_CLOSE)
            return int(value[:20])
    return None
