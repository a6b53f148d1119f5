"""Many at once, on connections of their own: whatever the order, what is promised holds."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from libs.access.caller import Caller
from libs.admission.rate import RateRule
from libs.errors import Refusal
from libs.jobs.lifecycle import FencedError, cancel, claim, finish
from libs.jobs.lookup import load_job
from libs.store.client import Store
from tests.fakes.callers import make_caller, submit
from tests.integration.libs.jobs.invariants import check_at_rest, check_invariants
from tests.integration.libs.jobs.slots import submit_many
from tests.integration.libs.jobs.snapshot import take_snapshot
from tests.servers import RedisServer, open_store

LEASE_S = 60.0
CONNECTIONS, RACERS = 8, 64


@pytest.fixture
async def stores(valkey: RedisServer) -> AsyncIterator[list[Store]]:
    """Several processes' worth of connections to one empty Redis."""
    opened = [await open_store(valkey.url) for _ in range(CONNECTIONS)]
    yield opened
    for store in opened:
        await store.close()


async def outcomes(stores: list[Store], caller: Caller, **members: Any) -> Counter[str]:
    """What becomes of one submission by each racer."""

    async def race(store: Store) -> str:
        try:
            await submit(store, caller, **members)
        except Refusal as refusal:
            return refusal.code
        return "admitted"

    return Counter(await asyncio.gather(*(race(stores[n % CONNECTIONS]) for n in range(RACERS))))


async def test_a_bucket_that_many_race_for_lets_in_exactly_what_it_holds(stores: list[Store]) -> None:
    caller = make_caller("pro")
    got = await outcomes(stores, caller, rate_rule=RateRule())
    assert got == {"admitted": 20, "rate_limited": RACERS - 20}


async def test_the_last_unit_of_a_quota_that_many_race_for_goes_to_one(stores: list[Store]) -> None:
    caller = make_caller("free", queued_max=1_000)
    await submit(stores[0], caller, units=9)
    assert await outcomes(stores, caller) == {"admitted": 1, "quota_exceeded": RACERS - 1}
    check_invariants(await take_snapshot(stores[0]), ["cpu"], 0)


async def test_the_last_place_in_a_users_list_that_many_race_for_goes_to_one(stores: list[Store]) -> None:
    caller = make_caller(queued_max=5)
    await submit_many(stores[0], caller, 4)
    assert await outcomes(stores, caller) == {"admitted": 1, "queue_limit": RACERS - 1}


async def test_caps_hold_whoever_claims_at_the_same_time(stores: list[Store]) -> None:
    callers = {caller.user_id: caller for caller in (make_caller(slots=slots) for slots in (1, 2, 3, 5))}
    for caller in callers.values():
        await submit_many(stores[0], caller, 60)
    running: Counter[str] = Counter()
    drawn = random.Random(1)

    async def work(number: int) -> int:
        store, done = stores[number], 0
        while brought := (await claim(store, f"w{number}", ["cpu"], drawn.randint(1, 4), LEASE_S)).jobs:
            running.update(one.user_id for one in brought)
            for user_id, caller in callers.items():
                assert running[user_id] <= caller.limits.slots
                assert await store.call("SCARD", f"{store.keys.open}{user_id}:cpu") <= caller.limits.slots
            for one in brought:
                running[one.user_id] -= 1
                await finish(store, one.job_id, one.fence, "succeed")
                done += 1
        return done

    done = 0
    while await stores[0].call("ZCARD", stores[0].keys.zset_of("cpu")):
        done += sum(await asyncio.gather(*(work(number) for number in range(CONNECTIONS))))
    assert done == 4 * 60
    check_at_rest(await take_snapshot(stores[0]), ["cpu"])


async def test_of_cancel_and_completion_one_wins_and_units_are_settled_once(stores: list[Store]) -> None:
    races = 500
    caller = make_caller(slots=races)
    waiting = await submit_many(stores[0], caller, races)
    won: Counter[tuple[str, str]] = Counter()
    drawn = random.Random(2)

    async def asks(job_id: str) -> str:
        await asyncio.sleep(drawn.random() * 0.002)
        return await cancel(stores[1], caller.user_id, job_id)

    async def ends(job_id: str, fence: str, canceled: bool) -> str:
        await asyncio.sleep(drawn.random() * 0.002)
        try:
            await finish(stores[2], job_id, fence, "cancel" if canceled else "succeed")
        except FencedError:
            return "fenced"
        return "done"

    for _ in range(races // 10):
        brought = (await claim(stores[0], "w1", ["cpu"], 10, LEASE_S)).jobs
        for one in brought:
            canceled = drawn.random() < 0.3
            said, ended, again = await asyncio.gather(
                asks(one.job_id), ends(one.job_id, one.fence, canceled), ends(one.job_id, one.fence, not canceled)
            )
            status = (await load_job(stores[0], caller.user_id, one.job_id)).status
            assert ended == again == "done"
            assert status in {"succeeded", "canceled"}
            assert said in {"requested", "canceled" if status == "canceled" else "finished"}
            won[said, status] += 1
    assert {status for _, status in won} == {"succeeded", "canceled"}
    assert {said for said, _ in won} >= {"requested", "finished"}
    assert won.total() == len(waiting) == races
    seen = await take_snapshot(stores[0])
    check_invariants(seen, ["cpu"], 0)
    check_at_rest(seen, ["cpu"])


async def test_of_cancel_and_claim_one_wins(stores: list[Store]) -> None:
    races = 200
    caller = make_caller(slots=1)
    won: Counter[tuple[str, str]] = Counter()
    for _ in range(races):
        job_id = (await submit(stores[0], caller)).job_id
        first, second = random.sample(stores, 2)
        said, brought = await asyncio.gather(
            cancel(first, caller.user_id, job_id), claim(second, "w1", ["cpu"], 1, LEASE_S)
        )
        for one in brought.jobs:
            await finish(second, one.job_id, one.fence, "release")
        status = (await load_job(stores[0], caller.user_id, job_id)).status
        won[said, status] += 1
        assert (said, len(brought.jobs)) in {("canceled", 0), ("requested", 1)}
    assert {status for _, status in won} == {"canceled"}
    check_at_rest(await take_snapshot(stores[0]), ["cpu"])
