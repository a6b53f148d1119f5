"""A real 429: everyone pauses until the provider said, then goes on more slowly."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from libs.backends.limiter import Limiter, NoSlot
from libs.store.client import Store
from tests.integration.libs.backends.limiter.conftest import MakeLimiter
from tests.integration.libs.backends.limiter.waiting import die_booked, starts, until


async def refuse(limiter: Limiter, retry_after_s: float | None) -> NoSlot:
    """Send a request that is answered with 429."""
    async with limiter.slot(deadline_s=5) as slot:
        return await slot.refuse(retry_after_s)


async def test_nobody_starts_before_the_provider_said(make: MakeLimiter) -> None:
    limiter = make(per_minute=6_000)
    error = await refuse(limiter, 30)
    assert error.retry_in_s == 30
    assert 29 < (await limiter.use()).paused_s <= 30
    assert not await starts(limiter, deadline_s=25)


async def test_those_who_wait_already_keep_their_order_behind_the_pause(make: MakeLimiter, store: Store) -> None:
    limiter = make()
    async with limiter.slot(deadline_s=0) as slot:
        for _ in range(5):
            await die_booked(limiter)
        before = await row(store)
        await slot.refuse(20)
    after = await row(store)
    assert [request for request, _ in after] == [request for request, _ in before]
    pauses = [later[1] - earlier[1] for earlier, later in zip(before, after, strict=True)]
    assert min(pauses) > 19_000
    spacing = [second[1] - first[1] for first, second in pairwise(after)]
    delay_ms = (await limiter.use()).delay_s * 1_000
    assert spacing == pytest.approx([(6_006 + delay_ms) / 60 / 0.9] * 4, rel=1e-4), "nine tenths of the pace"


async def row(store: Store) -> list[tuple[bytes, float]]:
    flat = await store.call("ZRANGE", store.keys.limiter_row + "provider:create", 0, -1, "WITHSCORES")
    return [(request, float(at)) for request, at in zip(flat[::2], flat[1::2], strict=True)]


async def test_a_waiter_that_the_pause_moves_beyond_its_deadline_is_refused(make: MakeLimiter) -> None:
    limiter = make()
    async with limiter.slot(deadline_s=0) as slot:
        waiting = asyncio.create_task(starts(limiter, deadline_s=1))
        await until(lambda: queued(limiter, 1))
        await slot.refuse(30)
    assert not await waiting
    assert await queued(limiter, 0)


async def queued(limiter: Limiter, number: int) -> bool:
    return (await limiter.use()).queued == number


async def test_a_waiter_with_time_sits_the_pause_out(make: MakeLimiter) -> None:
    limiter = make()
    async with limiter.slot(deadline_s=0) as slot:
        waiting = asyncio.create_task(starts(limiter, deadline_s=10))
        await until(lambda: queued(limiter, 1))
        await slot.refuse(0.3)
    assert await waiting


async def test_many_refusals_of_one_moment_slow_down_once(make: MakeLimiter) -> None:
    limiter = make(per_minute=6_000)
    async with limiter.slot(deadline_s=5) as one, limiter.slot(deadline_s=5) as other:
        await one.refuse(0)
        await other.refuse(0)
    assert (await limiter.use()).share == 0.9


async def test_a_refusal_after_the_slowdown_slows_down_further(make: MakeLimiter) -> None:
    limiter = make()
    await refuse(limiter, 0)
    await refuse(limiter, 0)
    assert (await limiter.use()).share == pytest.approx(0.81)


async def test_the_pace_comes_back_by_a_hundredth_each_sixth_of_a_window(make: MakeLimiter) -> None:
    limiter = make(window_s=0.3)
    await refuse(limiter, 0)
    seen: set[float] = set()

    async def recovered() -> bool:
        seen.add(round((await limiter.use()).share, 6))
        return max(seen) == 1

    await until(recovered)
    assert {0.9, 0.95, 1.0} <= seen


async def test_a_provider_that_names_no_time_gets_some_and_one_that_names_a_year_does_not(make: MakeLimiter) -> None:
    for told, meant in ((None, 5), (-3, 0), (1e9, 3_600)):
        limiter = make(f"provider:{meant}")
        assert (await refuse(limiter, told)).retry_in_s == meant
        assert (await limiter.use()).paused_s <= meant
