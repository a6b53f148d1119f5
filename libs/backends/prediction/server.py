"""A provider that speaks Replicate's HTTP API, within its limits (https://replicate.com/docs/reference/http).

What it says in an error is passed on only of what a caller asked for (400, 404, 422), without addresses and secrets.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import quote

from libs.backends.limiter import Limiter
from libs.backends.prediction.order import Order
from libs.backends.prediction.prediction import Page, Prediction, read_page, read_prediction
from libs.backends.transport import Reply, Transport
from libs.errors import Failure, Unavailable

__all__ = ["Breaker", "MisconfiguredError", "Server", "told_of"]

log = logging.getLogger(__name__)

T = TypeVar("T")

_CALL_S: Final = 30.0
#: The row of creations is kept short by the gate; a read waits behind other reads only.
_SLOT_S: Final = 10.0
_MISCONFIGURED_S: Final = 60.0
_NOT_FOUND, _TOO_MANY = 404, 429
_OPERATOR: Final = frozenset({401, 402, 403})
_CALLER: Final = frozenset({400, 404, 413, 422})
_NO_LIST: Final = frozenset({404, 405, 501})
_ENDED: Final = frozenset({404, 409, 410, 422})
_DETAIL_LENGTH_MAX: Final = 300
_ADDRESS: Final = re.compile(r"(?:https?|data):\S+")
#: "Request was throttled. Expected available in 1 second."; "Your rate limit resets in ~30s."
_THROTTLED: Final = re.compile(r"\bin ~?(\d{1,4}) ?s")


class MisconfiguredError(Unavailable):
    """The provider refuses our token, or the account has no credit: an operator has to look, and jobs wait."""


class Call(Protocol):
    """One call under a breaker."""

    def answered(self) -> None:
        """The provider answered in its own words: what is raised now is no failure of its."""


class Breaker(Protocol):
    """What is needed of `libs.backends.breaker.Breaker`."""

    def guard(self) -> AbstractAsyncContextManager[Call]:
        """Leave to call; raises Unavailable while there is none."""


class Server:
    """One provider under one token. `name` is its word in records, keys and errors.

    Every method raises NoSlot (no request was let in), MisconfiguredError, or Unavailable: it is away, left alone, or
    answered with something unreadable.
    """

    def __init__(
        self,
        name: str,
        url: str,
        token: str,
        *,
        breaker: Breaker,
        creations: Limiter,
        reads: Limiter,
        on_error: Callable[[str], None] = lambda _code: None,
    ) -> None:
        """Connect to nothing yet; raises ValueError when `url` is none. `on_error` hears what an operator must mend."""
        self.name = name
        self.creations = creations
        self._reads = reads
        self._breaker = breaker
        self._token = token
        self._on_error = on_error
        self._transport = Transport(name, url, call_s=_CALL_S, headers={"Authorization": f"Bearer {token}"})

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def create(self, order: Order, *, webhook: str | None, sending: Callable[[], Awaitable[None]]) -> Prediction:
        """Make a prediction; `sending` is awaited when the request goes out, and not before.

        Raises Failure when the provider declines the order. It and MisconfiguredError mean that nothing was made, as
        NoSlot does; of any other error nobody knows.
        """
        path, body = _creation(order, webhook)
        async with self._breaker.guard() as call:
            async with self._creations_slot() as slot:
                await sending()
                reply = await self._transport.post(path, body)
                if reply.status == _TOO_MANY:
                    call.answered()
                    raise await slot.refuse(_retry_after_s(reply))
            self._require_welcome(reply, call)
            if reply.status in _CALLER:
                call.answered()
                raise Failure("order_declined", told_of(self.name, reply, self._token), fault="caller")
            return self._read(reply, read_prediction)

    async def find(self, prediction_id: str) -> Prediction | None:
        """A prediction as it is now; None when the provider knows of none."""
        path = f"/predictions/{quote(prediction_id, safe='')}"
        reply = await self._ask(path)
        return None if reply.status == _NOT_FOUND else self._read(reply, read_prediction)

    async def page(self, cursor: str | None = None) -> Page | None:
        """A page of the account's predictions, the newest first; None where the provider keeps no list."""
        reply = await self._ask("/predictions" + (f"?cursor={cursor}" if cursor else ""))
        return None if reply.status in _NO_LIST else self._read(reply, read_page)

    async def cancel(self, prediction_id: str) -> None:
        """End a prediction; one that has ended, or that there is not, is no error."""
        async with self._breaker.guard() as call:
            async with self._reads.slot(deadline_s=_SLOT_S) as slot:
                reply = await self._transport.post(f"/predictions/{quote(prediction_id, safe='')}/cancel", {})
                if reply.status == _TOO_MANY:
                    call.answered()
                    raise await slot.refuse(_retry_after_s(reply))
            self._require_welcome(reply, call)
            if reply.status not in _ENDED:
                reply.require_ok()

    def _creations_slot(self) -> AbstractAsyncContextManager[Any]:
        return self.creations.slot(deadline_s=_SLOT_S)

    async def _ask(self, path: str) -> Reply:
        async with self._breaker.guard() as call:
            async with self._reads.slot(deadline_s=_SLOT_S) as slot:
                reply = await self._transport.get(path)
                if reply.status == _TOO_MANY:
                    call.answered()
                    raise await slot.refuse(_retry_after_s(reply))
            self._require_welcome(reply, call)
            return reply if reply.status in _NO_LIST else reply.require_ok()

    def _require_welcome(self, reply: Reply, call: Call) -> None:
        if reply.status in _OPERATOR:
            call.answered()
            log.error("%s answers with status %d: look at its token and at the account", self.name, reply.status)
            self._on_error("misconfigured")
            raise MisconfiguredError(self.name, f"{self.name} is not set up rightly", retry_in_s=_MISCONFIGURED_S)

    def _read(self, reply: Reply, read: Callable[[Any], T]) -> T:
        try:
            return read(reply.require_ok().load_object())
        except ValueError as error:
            log.warning("%s answered with something that is not of its schema (%s)", self.name, error)
            raise Unavailable(self.name, f"{self.name} answered with something unreadable") from None


def told_of(name: str, reply: Reply, token: str = "") -> str:
    """What a provider says is wrong with an order, fit for the caller's eyes."""
    told = (reply.find_object() or {}).get("detail")
    text = told if isinstance(told, str) else ""
    text = _ADDRESS.sub("…", text.replace(token, "…") if token else text)
    text = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return f"{name} declined: {text[:_DETAIL_LENGTH_MAX] or f'status {reply.status}'}"


def _creation(order: Order, webhook: str | None) -> tuple[str, dict[str, Any]]:
    """Path and body of a creation: of a model's own latest version, or of a certain one."""
    model, _, version = order.model.partition(":")
    body: dict[str, Any] = {"input": dict(order.input)}
    if webhook:
        body |= {"webhook": webhook, "webhook_events_filter": ["completed"]}
    return ("/predictions", {"version": version, **body}) if version else (f"/models/{model}/predictions", body)


def _retry_after_s(reply: Reply) -> float | None:
    """What a 429 says of when to come back, in its head or in its words."""
    if reply.retry_after_s is not None:
        return reply.retry_after_s
    match = _THROTTLED.search(str((reply.find_object() or {}).get("detail")))
    return float(match[1]) if match else None
