"""A job whose workers were lost twice has its last attempt alone."""

from __future__ import annotations

import asyncio

from libs.access.caller import Caller
from libs.jobs.lifecycle import Claim, Claims, cancel, claim, finish
from libs.jobs.lookup import load_job
from libs.store.client import Store
from tests.fakes.callers import make_caller, submit

LEASE_S = 30.0


async def claims_of(store: Store, worker: str, n: int = 5, running: tuple[str, ...] = ()) -> Claims:
    return await claim(store, worker, ["cpu"], n, LEASE_S, running=running)


async def lose_worker(store: Store, job_id: str) -> None:
    """Claim everything with a worker that dies at once; end what else it got."""
    brought = await claim(store, "dying", ["cpu"], 10, 0.001)
    assert job_id in [one.job_id for one in brought.jobs]
    for one in brought.jobs:
        if one.job_id != job_id:
            await finish(store, one.job_id, one.fence, "succeed")
    await asyncio.sleep(0.01)


async def suspect(store: Store, caller: Caller) -> str:
    """A job that two workers were lost with, ready before its user's other jobs."""
    job_id = (await submit(store, caller)).job_id
    for _ in range(2):
        await lose_worker(store, job_id)
    assert ids(await claims_of(store, "nobody", 0)) == []
    return job_id


def ids(claims: Claims) -> list[str]:
    return [one.job_id for one in claims.jobs]


async def test_an_idle_worker_takes_it_and_nothing_else(store: Store) -> None:
    caller = make_caller()
    wanted = await suspect(store, caller)
    await submit(store, caller)
    brought = await claims_of(store, "w1")
    assert (ids(brought), brought.jobs[0].alone, brought.makes_room) == ([wanted], True, False)
    assert (await load_job(store, brought.jobs[0].user_id, wanted)).crashes == 2


async def test_a_busy_worker_makes_room_and_takes_it_when_it_has_run_dry(store: Store) -> None:
    caller = make_caller()
    wanted = await suspect(store, caller)
    other = (await submit(store, caller)).job_id
    first = await claims_of(store, "w1", running=("another",))
    assert (ids(first), first.makes_room) == ([], True)
    again = await claims_of(store, "w1", running=("another",))
    assert (ids(again), again.makes_room) == ([], True)
    dry = await claims_of(store, "w1")
    assert (ids(dry), dry.makes_room) == ([wanted], False)
    await end(store, dry.jobs[0])
    assert ids(await claims_of(store, "w1")) == [other]


async def test_the_others_pass_it_over_while_one_makes_room(store: Store) -> None:
    caller = make_caller()
    await suspect(store, caller)
    other = (await submit(store, caller)).job_id
    assert (await claims_of(store, "w1", running=("another",))).makes_room
    passing = await claims_of(store, "w2", running=("a third",))
    assert (ids(passing), passing.makes_room) == ([other], False)


async def test_an_idle_worker_need_not_wait_for_the_one_that_makes_room(store: Store) -> None:
    caller = make_caller()
    wanted = await suspect(store, caller)
    other = (await submit(store, caller)).job_id
    assert (await claims_of(store, "w1", running=("another",))).makes_room
    assert ids(await claims_of(store, "w2")) == [wanted]
    released = await claims_of(store, "w1", running=("another",))
    assert (ids(released), released.makes_room) == ([other], False)


async def test_what_a_worker_promised_before_it_died_is_taken_up_by_another(store: Store) -> None:
    await suspect(store, make_caller())
    assert (await claims_of(store, "w1", running=("another",))).makes_room
    key, lapsed = store.keys.queue + "cpu", "1"
    promise = (await store.call("HGET", key, "alone")).decode()
    await store.call("HSET", key, "alone", promise.rpartition(" ")[0] + " " + lapsed)
    assert (await claims_of(store, "w2", running=("a third",))).makes_room


async def test_a_job_that_is_canceled_needs_no_room_any_more(store: Store) -> None:
    caller = make_caller()
    job_id = await suspect(store, caller)
    other = (await submit(store, caller)).job_id
    assert (await claims_of(store, "w1", running=("another",))).makes_room
    assert await cancel(store, caller.user_id, job_id) == "canceled"
    brought = await claims_of(store, "w1", running=("another",))
    assert (ids(brought), brought.makes_room) == ([other], False)


async def test_two_of_them_run_one_after_the_other(store: Store) -> None:
    caller = make_caller()
    two = [(await submit(store, caller)).job_id for _ in range(2)]
    for _ in range(2):
        assert sorted(ids(await claim(store, "dying", ["cpu"], 10, 0.001))) == sorted(two)
        await asyncio.sleep(0.01)
    first = await claims_of(store, "w1")
    assert len(first.jobs) == 1
    await end(store, first.jobs[0])
    second = await claims_of(store, "w1")
    assert {*ids(first), *ids(second)} == set(two)


async def test_a_death_alone_is_the_end(store: Store) -> None:
    wanted = await suspect(store, make_caller())
    await lose_worker(store, wanted)
    assert ids(await claims_of(store, "w1")) == []
    assert await store.call("ZRANGE", store.keys.dead, 0, -1) == [wanted.encode()]


async def end(store: Store, claimed: Claim) -> None:
    await finish(store, claimed.job_id, claimed.fence, "succeed")
