"""Fair shares, as promises: on the scripts, on a real Redis, on simulated time."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from libs.jobs.lifecycle import Claim, cancel, claim, finish
from tests.fakes.callers import make_caller, submit
from tests.fakes.clock import ClockedStore
from tests.integration.libs.jobs.slots import LEASE_S, jain, run_slots, slot_seconds, submit_many


async def claim_one(store: ClockedStore, queue: str = "cpu") -> Claim:
    (claimed,) = (await claim(store, "w", [queue], 1, LEASE_S)).jobs
    return claimed


async def run_one(store: ClockedStore, seconds: float) -> Claim:
    claimed = await claim_one(store)
    await store.pass_time(round(seconds * 1000))
    await finish(store, claimed.job_id, claimed.fence, "succeed")
    return claimed


async def place_in_claims(store: ClockedStore, job_id: str, seconds: float) -> int:
    """How many jobs start before this one, on one slot."""
    for place in range(100):
        if (await run_one(store, seconds)).job_id == job_id:
            return place
    raise AssertionError("it did not start")


@pytest.mark.parametrize("slots", [1, 4])
async def test_behind_a_flood_everybodys_first_job_waits_for_what_runs_already_and_no_more(
    clocked: ClockedStore, slots: int
) -> None:
    flooder, others = make_caller(), [make_caller() for _ in range(9)]
    await submit_many(clocked, flooder, 1_000)
    running = (await claim(clocked, "w", ["cpu"], slots, LEASE_S)).jobs
    for other in others:
        await submit_many(clocked, other, 10)
    for one in running:
        await clocked.pass_time(1_000)
        await finish(clocked, one.job_id, one.fence, "succeed")
    ran = await run_slots(clocked, slots, lambda _: 1.0, for_s=200 / slots)
    assert {one.user_id for one in ran[:9]} == {other.user_id for other in others}
    others_last = max(number for number, one in enumerate(ran) if one.user_id != flooder.user_id)
    assert others_last < 9 * 10 + 10 + slots  # in turns: ten rounds of ten users


async def test_slot_seconds_follow_the_weights_8_4_1_within_5_percent(clocked: ClockedStore) -> None:
    drawn = random.Random(8)
    usual_s = {}
    for weight, seconds, count in ((8, 5.0, 220), (4, 1.0, 550), (1, 2.0, 80)):
        caller = make_caller(weight=weight, slots=4, user_id=f"usr_{weight}")
        usual_s[caller.user_id] = seconds
        await submit_many(clocked, caller, count)
    ran = await run_slots(clocked, 4, lambda one: usual_s[one.user_id] * drawn.uniform(0.5, 1.5), for_s=350)
    used = slot_seconds(ran, 350)
    for weight in (8, 4, 1):
        assert used[f"usr_{weight}"] == pytest.approx(used.total() * weight / 13, rel=0.05)


async def test_equal_users_whose_jobs_differ_tenfold_share_slot_seconds_equally(clocked: ClockedStore) -> None:
    drawn = random.Random(10)
    usual_s = {f"usr_{seconds}": float(seconds) for seconds in (1, 2, 4, 7, 10)}
    for user_id, seconds in usual_s.items():
        await submit_many(clocked, make_caller(user_id=user_id, slots=4), round(400 / seconds))
    ran = await run_slots(clocked, 4, lambda one: usual_s[one.user_id] * drawn.uniform(0.5, 1.5), for_s=300)
    used = slot_seconds(ran, 300)
    assert jain([used[user_id] for user_id in usual_s]) >= 0.95
    assert max(used.values()) <= 1.15 * min(used.values())


@pytest.mark.parametrize("at_once", [False, True], ids=["in turn", "at once"])
@pytest.mark.parametrize("known", [False, True], ids=["newcomer", "known"])
@pytest.mark.parametrize("seconds", [0.05, 5.0, 600.0])
async def test_who_had_the_machine_alone_waits_for_one_job_of_a_flood_at_most(
    clocked: ClockedStore, seconds: float, *, known: bool, at_once: bool
) -> None:
    alone, flooder = make_caller(), make_caller()
    if known:
        await submit(clocked, flooder)
        await run_one(clocked, seconds)
    if at_once:
        await submit_many(clocked, alone, 10)
        await run_slots(clocked, 10, lambda _: seconds)
    else:
        for _ in range(10):
            await submit(clocked, alone)
            await run_one(clocked, seconds)
    await submit_many(clocked, flooder, 100)
    running = await claim_one(clocked)
    next_one = await submit(clocked, alone)
    await clocked.pass_time(round(seconds * 1000))
    await finish(clocked, running.job_id, running.fence, "succeed")
    assert await place_in_claims(clocked, next_one.job_id, seconds) <= 1


async def test_a_user_without_a_slot_in_one_queue_gets_one_in_another(clocked: ClockedStore) -> None:
    caller = make_caller(slots=1)
    blocked = [(await submit(clocked, caller, queue="gpu")).job_id for _ in range(3)]
    assert (await claim_one(clocked, "gpu")).job_id == blocked[0]
    assert (await claim(clocked, "w", ["gpu"], 5, LEASE_S)).jobs == ()
    free = await submit(clocked, caller, queue="cpu")
    assert (await claim_one(clocked, "cpu")).job_id == free.job_id


async def test_a_paused_queue_does_not_hold_its_users_back_in_another(clocked: ClockedStore) -> None:
    caller = make_caller(slots=1)
    await clocked.call("HSET", clocked.keys.queue + "gpu", "paused", "1")
    await submit(clocked, caller, queue="gpu")
    assert (await claim(clocked, "w", ["gpu"], 5, LEASE_S)).jobs == ()
    free = await submit(clocked, caller, queue="cpu")
    assert (await claim_one(clocked, "cpu")).job_id == free.job_id


async def test_a_retry_that_comes_due_goes_before_the_rest_of_a_flood(clocked: ClockedStore) -> None:
    flooder, other = make_caller(), make_caller()
    retried = await submit(clocked, other)
    first = await claim_one(clocked)
    await clocked.pass_time(1_000)
    await finish(clocked, first.job_id, first.fence, "retry", delay_s=5)
    await submit_many(clocked, flooder, 100)
    for _ in range(5):
        assert (await run_one(clocked, 1)).user_id == flooder.user_id
    assert (await run_one(clocked, 1)).job_id == retried.job_id


async def test_what_is_canceled_before_it_runs_is_not_charged(clocked: ClockedStore) -> None:
    fickle, steady = make_caller(slots=2), make_caller(slots=2)
    for caller in (fickle, steady):
        await submit(clocked, caller)
        await run_one(clocked, 10)
    for job_id in await submit_many(clocked, fickle, 50):
        assert await cancel(clocked, fickle.user_id, job_id) == "canceled"
    await submit_many(clocked, steady, 10)
    wanted = await submit(clocked, fickle)
    assert await place_in_claims(clocked, wanted.job_id, 10) <= 2


async def test_a_fairness_key_that_trickles_does_not_pass_a_full_one_each_time(clocked: ClockedStore) -> None:
    caller = make_caller(slots=1)
    full = set(await submit_many(clocked, caller, 30, fairness_key="full"))
    turns: Counter[str] = Counter()
    for _ in range(20):
        await submit(clocked, caller, fairness_key="trickle")
        turns["full" if (await run_one(clocked, 1)).job_id in full else "trickle"] += 1
    assert turns["full"] >= 9


async def test_five_thousand_jobs_of_one_user_do_not_delay_anothers_first(clocked: ClockedStore) -> None:
    flooder, other = make_caller(), make_caller("free")
    await submit_many(clocked, flooder, 5_000)
    running = (await claim(clocked, "w", ["cpu"], 8, LEASE_S)).jobs
    assert len(running) == 8
    first = await submit(clocked, other)
    await clocked.pass_time(1_000)
    await finish(clocked, running[0].job_id, running[0].fence, "succeed")
    assert (await claim_one(clocked)).job_id == first.job_id


async def test_a_user_never_waits_for_a_share_saved_up_by_another(clocked: ClockedStore) -> None:
    busy, late = make_caller(slots=1), make_caller(slots=1)
    await submit_many(clocked, busy, 60)
    await submit(clocked, late)
    for _ in range(40):
        await run_one(clocked, 1)
    await submit_many(clocked, late, 20)
    turns = Counter([(await run_one(clocked, 1)).user_id for _ in range(20)])
    assert turns[busy.user_id] >= 9
