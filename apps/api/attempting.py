"""The price of a submission: an attempt before it is read, and what it cost us where it is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message

from apps.api.request import Request
from libs import limits
from libs.access.caller import Caller
from libs.admission.attempts import POLICY, Attempts, price_of
from libs.admission.rate import RateRule, RefusedRate, take
from libs.errors import Refusal, Unavailable

__all__ = ["Due", "attempted", "attempts_due", "note_read"]

_OURS = 500


class Due:
    """The caller's attempts that no script has counted yet, this one among them; owed again unless they are `counted`.

    A block of its own, without contextlib: every admission goes through it.
    """

    __slots__ = ("_attempts", "_caller", "before", "count", "counted")

    def __init__(self, attempts: Attempts, caller: Caller) -> None:
        self._attempts = attempts
        self._caller = caller
        self.counted = False
        self.count = attempts.due(caller)
        #: What a script counts that admits this one: an admission costs its submit, which bounds it better.
        self.before = max(0, self.count - 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        if self.count and not self.counted:
            self._attempts.owe(self._caller, self.count)


def attempts_due(request: Request) -> Due:
    """The attempts of the request's caller, for a block that has them counted."""
    return Due(request.api.attempts, request.caller)


def note_read(request: Request, *, values: int = 0, bytes_more: int = 0) -> None:
    """So much was read for this request, beside the bytes of its body: what it is charged for if it is refused."""
    scope = request.scope
    scope["arqade.values_read"] = scope.get("arqade.values_read", 0) + values
    scope["arqade.bytes_read"] = scope.get("arqade.bytes_read", 0) + bytes_more


async def attempted(endpoint: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
    """Call the endpoint of a submission for the price of an attempt. Refuses `rate_limited` to who has none left."""
    rule = request.api.rate_rule
    if rule is None:
        return await endpoint(request)
    request.api.attempts.take(request.caller, rule)
    toll = _Toll(request, rule)
    try:
        return await endpoint(request)
    except ClientDisconnect:
        await toll.charge()
        raise
    except Refusal as refusal:
        if refusal.problem.status < _OURS:
            await toll.charge()
        raise


class _Toll:
    """What is asked for a body on its way in: the attempt of a large one is taken in Redis before it is read."""

    __slots__ = ("_count", "_declared", "_paid", "_request", "_rule", "_source")

    def __init__(self, request: Request, rule: RateRule) -> None:
        self._request = request
        self._rule = rule
        self._paid = False
        self._count = 0
        self._declared = getattr(request.scope.get("arqade.body"), "declared", None) or 0
        self._source = request.read_by(self._receive)

    async def charge(self) -> None:
        """What a refused submission costs beyond its attempt; told to the other processes where it was a large one."""
        request, scope = self._request, self._request.scope
        read = self._count + scope.get("arqade.bytes_read", 0)
        more = price_of(read, scope.get("arqade.values_read", 0)) - 1
        if more:
            request.api.attempts.spend(request.caller, self._rule, more)
        if more and self._paid:
            with suppress(Refusal, Unavailable):
                await self._count_due(used=True)

    async def _receive(self) -> Message:
        """The next piece. Refuses `rate_limited`; raises Unavailable."""
        if not self._paid and self._declared > limits.BODY_SMALL_BYTES_MAX:
            await self._pay()
        message = await self._source()
        self._count += len(message.get("body", b""))
        if not self._paid and self._count > limits.BODY_SMALL_BYTES_MAX:
            await self._pay()
        return message

    async def _pay(self) -> None:
        self._paid = True
        request = self._request
        try:
            await self._count_due(used=False)
        except RefusedRate as refusal:
            request.api.attempts.close(request.caller, self._rule, refusal.retry_after_s or 0)
            if (body := request.scope.get("arqade.body")) is not None:
                body.refusal = refusal  # its sender is told once the rest was dropped
            raise

    async def _count_due(self, *, used: bool) -> None:
        request = self._request
        with attempts_due(request) as due:
            await take(request.home, request.caller, POLICY, self._rule, spend=max(1, due.count), used=used)
            due.counted = True
