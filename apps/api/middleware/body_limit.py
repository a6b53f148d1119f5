"""Bodies: counted as they stream, and not waited for without end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs import limits
from libs.errors import Refusal

__all__ = ["BodyLimit"]

_CLOSE = {"Connection": "close"}


class BodyLimit:
    """Refuses a body when it is read: longer than `bytes_max`, other than its Content-Length says, or too slow."""

    def __init__(
        self, app: ASGIApp, *, bytes_max: int, idle_s: float | None = None, whole_s: float | None = None
    ) -> None:
        self._app = app
        self._bytes_max = bytes_max
        self._idle_s = limits.BODY_IDLE_S if idle_s is None else idle_s
        self._whole_s = limits.BODY_S if whole_s is None else whole_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            receive = _Body(receive, _declared(scope), self._bytes_max, self._idle_s, self._whole_s).receive
        await self._app(scope, receive, send)


@dataclass(slots=True)
class _Body:
    """One request's body on its way in."""

    source: Receive
    declared: int | None
    bytes_max: int
    idle_s: float
    whole_s: float
    late_at_s: float | None = None
    count: int = 0
    ended: bool = False

    async def receive(self) -> Message:
        """The next piece; once the body has ended, whatever comes then."""
        if self.ended:
            return await self.source()
        if self.declared is not None and self.declared > self.bytes_max:
            raise self._too_large(close=self.declared > limits.BODY_DISCARD_BYTES_MAX)
        message = await self._next()
        if self.count > self.bytes_max:
            await self._discard()
            raise self._too_large(close=not self.ended)
        if self.declared is not None and (self.count > self.declared or (self.ended and self.count < self.declared)):
            raise Refusal("malformed_request", "The body is not as long as its Content-Length says", headers=_CLOSE)
        return message

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
        else:
            self.count += len(message.get("body", b""))
            self.ended = not message.get("more_body", False)
        return message

    async def _discard(self) -> None:
        """Drop the rest, up to a bound: who is still sending when the connection closes may never read why."""
        while not self.ended and self.count < limits.BODY_DISCARD_BYTES_MAX:
            await self._next()

    def _too_large(self, *, close: bool) -> Refusal:
        return Refusal("body_too_large", f"A body has at most {self.bytes_max} bytes", headers=_CLOSE if close else {})


def _declared(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit():
                raise Refusal("malformed_request", "The Content-Length is no number", headers=_CLOSE)
            return int(value[:20])
    return None
