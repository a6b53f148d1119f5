"""The price of a submission: an attempt before it is read, and what it cost us where it is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from apps.api.request import Request
from libs import limits
from libs.admission.attempts import POLICY, price_of
from libs.admission.rate import RateRule, RefusedRate, take
from libs.errors import Refusal, Unavailable

__all__ = ["Due", "attempted", "attempts_due", "note_read"]

_OURS = 500


@dataclass(slots=True)
class Due:
    """Attempts that a script is to count, and whether it has."""

    count: int
    counted: bool = False


@contextmanager
def attempts_due(request: Request) -> Iterator[Due]:
    """The caller's attempts that no script has counted, this one among them; owed again unless they are `counted`."""
    attempts, caller = request.api.attempts, request.caller
    due = Due(attempts.due(caller))
    try:
        yield due
    finally:
        if due.count and not due.counted:
            attempts.owe(caller, due.count)


def note_read(request: Request, *, values: int = 0, bytes_more: int = 0) -> None:
    """So much was read for this request, beside the bytes of its body: what it is charged for if it is refused."""
    scope = request.scope
    scope["arqade.values_read"] = scope.get("arqade.values_read", 0) + values
    scope["arqade.bytes_read"] = scope.get("arqade.bytes_read", 0) + bytes_more


async def attempted(
    endpoint: Callable[[Request], Awaitable[Response]], scope: Scope, receive: Receive, send: Send
) -> Response:
    """Call the endpoint of a submission for the price of an attempt. Refuses `rate_limited` to who has none left."""
    asked = Request(scope, receive, send)
    rule = asked.api.rate_rule
    if rule is None:
        return await endpoint(asked)
    asked.api.attempts.require(asked.caller, rule)
    asked.api.attempts.spend(asked.caller, rule, 1)
    toll = _Toll(asked, rule, receive)
    try:
        return await endpoint(Request(scope, toll.receive, send))
    except ClientDisconnect:
        await toll.charge()
        raise
    except Refusal as refusal:
        if refusal.problem.status < _OURS:
            await toll.charge()
        raise


class _Toll:
    """What is asked for a body on its way in: the attempt of a large one is taken in Redis before it is read."""

    def __init__(self, asked: Request, rule: RateRule, source: Receive) -> None:
        self._asked = asked
        self._rule = rule
        self._source = source
        self._paid = False
        self._count = 0
        self._declared = getattr(asked.scope.get("arqade.body"), "declared", None) or 0

    async def receive(self) -> Message:
        """The next piece. Refuses `rate_limited`; raises Unavailable."""
        if not self._paid and self._declared > limits.BODY_SMALL_BYTES_MAX:
            await self._pay()
        message = await self._source()
        self._count += len(message.get("body", b""))
        if not self._paid and self._count > limits.BODY_SMALL_BYTES_MAX:
            await self._pay()
        return message

    async def charge(self) -> None:
        """What a refused submission costs beyond its attempt; told to the other processes where it was a large one."""
        asked, scope = self._asked, self._asked.scope
        read = self._count + scope.get("arqade.bytes_read", 0)
        more = price_of(read, scope.get("arqade.values_read", 0)) - 1
        if more:
            asked.api.attempts.spend(asked.caller, self._rule, more)
        if more and self._paid:
            with suppress(Refusal, Unavailable):
                await self._count_due(used=True)

    async def _pay(self) -> None:
        self._paid = True
        try:
            await self._count_due(used=False)
        except RefusedRate as refusal:
            self._asked.api.attempts.close(self._asked.caller, self._rule, refusal.retry_after_s or 0)
            if (body := self._asked.scope.get("arqade.body")) is not None:
                body.refusal = refusal  # its sender is told once the rest was dropped
            raise

    async def _count_due(self, *, used: bool) -> None:
        with attempts_due(self._asked) as due:
            asked = self._asked
            await take(asked.home, asked.caller, POLICY, self._rule, spend=max(1, due.count), used=used)
            due.counted = True
