"""Failed credentials: an address that sends many is slowed, then refused; a good key from it is let in all the same.

A key has 256 random bits, so nobody guesses one, and a lockout would guard nothing: it would lock out whoever stands
behind the same address (an office, a proxy). What is bounded is what bad keys cost us. They are counted here, in the
process, so that whoever has no key makes us write nothing; and while an address fails, the keys that it shows are
looked up one after the other, each once.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from libs import limits
from libs.errors import Refusal

__all__ = ["Failures"]


class Failures:
    """Senders that failed lately, no more than `senders_max` of them."""

    def __init__(
        self,
        *,
        senders_max: int = limits.FAILING_SENDERS_MAX,
        pause_s: float = limits.FAILED_CREDENTIALS_PAUSE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._senders_max = senders_max
        self._pause_s = pause_s
        self._clock = clock
        self._senders: dict[str, tuple[int, float]] = {}  # failures, and when they are forgotten; oldest first
        self._pausing: Counter[str] = Counter()
        self._turns: dict[str, asyncio.Lock] = {}
        self._looking = asyncio.Semaphore(limits.FAILING_LOOK_UPS_MAX)

    @asynccontextmanager
    async def turn(self, sender: str) -> AsyncIterator[None]:
        """Where a key that nobody remembers may be looked up: at once, or for a sender that fails one at a time."""
        if self._count(sender) < limits.FAILED_CREDENTIALS_FREE:
            yield
            return
        turns = self._turns.setdefault(sender, asyncio.Lock())
        try:
            async with turns, self._looking:
                yield
        finally:
            if not turns.locked():
                self._turns.pop(sender, None)

    async def refuse(self, sender: str) -> Refusal:
        """Count one failure, let its sender wait a little, and say what they are told: from the 21st on, to wait."""
        count, left_s = self._note(sender)
        await self._pause(sender, count)
        if count <= limits.FAILED_CREDENTIALS_MAX:
            return Refusal("invalid_token")
        detail = (
            f"More than {limits.FAILED_CREDENTIALS_MAX} credentials from your address were not valid, nor is this one"
        )
        return Refusal("rate_limited", detail, retry_after_s=left_s, members={"violated-policies": ["failures"]})

    def _count(self, sender: str) -> int:
        count, until = self._senders.get(sender, (0, 0.0))
        return count if until > self._clock() else 0

    def _note(self, sender: str) -> tuple[int, float]:
        """How often the sender has failed, this time too, and when that is forgotten: a minute after the first."""
        now = self._clock()
        count, until = self._senders.pop(sender, (0, 0.0))
        if until <= now:
            count, until = 0, now + limits.FAILED_CREDENTIALS_S
        while len(self._senders) >= self._senders_max:
            del self._senders[next(iter(self._senders))]
        self._senders[sender] = count + 1, until
        return count + 1, until - now

    async def _pause(self, sender: str, count: int) -> None:
        """Longer with each failure. Who waits holds a connection, so only so many of one sender do."""
        over = count - limits.FAILED_CREDENTIALS_FREE
        if over <= 0 or self._pausing[sender] >= limits.FAILING_PAUSES_MAX:
            return
        self._pausing[sender] += 1
        try:
            steps = limits.FAILED_CREDENTIALS_MAX - limits.FAILED_CREDENTIALS_FREE
            await asyncio.sleep(self._pause_s * min(1.0, over / steps))
        finally:
            self._pausing[sender] -= 1
            if self._pausing[sender] <= 0:
                del self._pausing[sender]
