"""What the tests of a limiter do over and over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from libs.backends.limiter import Limiter, NoSlot
from libs.backends.limiter.scripts import RESERVE
from libs.ids import new_id
from tests.patience import PATIENCE_S

__all__ = ["die_booked", "die_started", "starts", "until"]


async def until(holds: Callable[[], Awaitable[bool]], within_s: float = PATIENCE_S) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(within_s):
        while not await holds():
            await asyncio.sleep(0.02)


async def starts(limiter: Limiter, *, deadline_s: float = 0.0, tokens: int = 0) -> bool:
    """Send a request that is answered at once, if there is a slot in time."""
    try:
        async with limiter.slot(deadline_s=deadline_s, tokens=tokens):
            return True
    except NoSlot:
        return False


async def die_booked(limiter: Limiter) -> None:
    """Book a slot and never come back, as a process does that is killed."""
    word, *_ = await _reserve(limiter, 60_000)
    assert word == b"wait"


async def die_started(limiter: Limiter) -> None:
    """Start a request and never come back."""
    word, *_ = await _reserve(limiter, 0)
    assert word == b"go"


async def _reserve(limiter: Limiter, patience_ms: int) -> list[bytes]:
    told: list[bytes] = await limiter._run(RESERVE, f"0:{new_id('slot')}", limiter.rule.bookings_max, patience_ms)
    return told
