"""Slots for requests to a provider that limits them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from libs.backends.limiter.rule import Rule
from libs.backends.limiter.scripts import FEEDBACK, RESERVE, STATS
from libs.backends.limiter.use import Use
from libs.errors import Unavailable
from libs.ids import new_id
from libs.store.client import Store
from libs.store.script import Script

__all__ = ["Limiter", "NoSlot", "Slot"]

#: When to come back where all places at once are taken, and how long to pause when a provider does not say.
_FULL_S: Final = 1.0
_PAUSE_S: Final = 5.0
#: What a provider says is believed up to here.
_PAUSE_S_MAX: Final = 3_600.0


class NoSlot(Unavailable):
    """The limiter has no slot in time: nothing was sent, nothing was used up; `retry_in_s` says when to come back."""


@dataclass(slots=True)
class Slot:
    """The right to send one request, now."""

    limiter: Limiter
    request: str
    refused: bool = field(default=False, init=False)

    async def refuse(self, retry_after_s: float | None = None) -> NoSlot:
        """Tell of a real 429 and its `Retry-After`: nobody sends until then. Returns what to raise."""
        self.refused = True
        pause_s = _PAUSE_S if retry_after_s is None else min(max(retry_after_s, 0.0), _PAUSE_S_MAX)
        await self.limiter.tell(self.request, "refused", pause_s)
        return NoSlot(self.limiter.name, f"{self.limiter.name} is limited upstream", retry_in_s=pause_s)


class Limiter:
    """One limit of one provider, shared through Redis by everyone who names it so.

    `name` is one that the deployment gave, such as `replicate:create`. A slot is booked by one script, which tells how
    long to wait; the same script starts the request at the booked time. Nobody polls.
    """

    def __init__(self, store: Store, name: str, rule: Rule) -> None:
        """Raises ValueError for a name with odd characters in it."""
        if not name.replace(":", "").replace("-", "").replace("_", "").isalnum() or not name.isascii():
            raise ValueError(f"{name!r} cannot name a limiter")
        self.name = name
        self.rule = rule
        self._store = store

    @asynccontextmanager
    async def slot(self, *, deadline_s: float, tokens: int = 0) -> AsyncIterator[Slot]:
        """Wait for a slot and send within the block; it ends when the answer is there.

        Raises NoSlot at once when the slot would come later than `deadline_s` from now, or when too many requests are
        under way; Unavailable while Redis is away, for without it nobody knows what was sent; ValueError for more
        tokens than a whole minute has. An exception out of the block means that the request may or may not have
        arrived, and is counted so.
        """
        if self.rule.tokens_per_minute is not None and tokens > self.rule.tokens_per_minute:
            raise ValueError(f"{self.name}: {tokens} tokens are more than a minute has")
        slot = Slot(self, f"{max(tokens, 0)}:{new_id('slot')}")
        word = "dropped"
        try:
            await self._start(slot.request, deadline_s)
            yield slot
            word = "answered"
        finally:
            if not slot.refused:
                with suppress(Unavailable):  # what is not told lapses by itself
                    await self.tell(slot.request, word)

    async def use(self) -> Use:
        """What it is doing now. Raises Unavailable."""
        queued, requests, tokens, in_flight, paused_ms, share, delay_ms = await self._run(STATS, "")
        return Use(queued, requests, tokens, in_flight, paused_ms / 1000, float(share), float(delay_ms) / 1000)

    async def tell(self, request: str, word: str, pause_s: float = 0.0) -> None:
        """Say what became of a request; the words are the script's. For slots."""
        await self._run(FEEDBACK, request, word, round(pause_s * 1000))

    async def _start(self, request: str, deadline_s: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + deadline_s
        while True:
            patience_ms = max(0, round((deadline - loop.time()) * 1000))
            word, *waits = await self._run(RESERVE, request, self.rule.bookings_max, patience_ms)
            match word:
                case b"go":
                    return
                case b"wait":
                    await asyncio.sleep(waits[0] / 1000)
                case b"late":
                    detail = f"{self.name} has no slot within {deadline_s:g} s"
                    raise NoSlot(self.name, detail, retry_in_s=waits[0] / 1000)
                case _:
                    raise NoSlot(self.name, f"{self.name} has all its requests under way", retry_in_s=_FULL_S)

    async def _run(self, script: Script, request: str, *more: str | int) -> Any:
        rule = self.rule
        limits = (rule.per_minute, rule.tokens_per_minute or 0, rule.in_flight_max or 0)
        times_s = (rule.window_s, rule.arrives_within_s, rule.lease_s)
        times_ms = [round(time_s * 1000) for time_s in times_s]
        return await self._store.run(script, (), (self.name, request, *limits, *times_ms, *more))
