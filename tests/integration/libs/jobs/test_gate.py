"""Gates: of a kind whose backend takes only so many jobs, workers get only so many; everybody else's go on."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from libs.jobs.gate import open_gate, shut_gate
from libs.jobs.lifecycle import Claim, Ending, claim, finish, wake
from libs.store.client import Store
from tests.fakes.callers import make_caller, submit
from tests.fakes.clock import ClockedStore
from tests.patience import PATIENCE_S

PLENTY = 1_000


async def submit_some(store: Store, count: int, kind: str = "noop", user_id: str | None = None) -> list[str]:
    caller = make_caller(user_id=user_id, slots=PLENTY)
    return [(await submit(store, caller, kind=kind)).job_id for _ in range(count)]


async def claim_some(store: Store, n: int = 50, worker: str = "w1", lease_s: float = 30) -> tuple[Claim, ...]:
    return (await claim(store, worker, ["cpu"], n, lease_s)).jobs


async def end(store: Store, claims: tuple[Claim, ...], ending: Ending, delay_s: float = 0) -> None:
    for one in claims:
        await finish(store, one.job_id, one.fence, ending, delay_s=delay_s)


async def test_workers_hold_so_many_and_the_others_keep_their_places(store: Store) -> None:
    await open_gate(store, "noop", places=3, in_flight_max=PLENTY)
    ids = await submit_some(store, 8)
    first = await claim_some(store, 2)
    second = await claim_some(store, worker="w2")
    assert [one.job_id for one in first + second] == ids[:3]
    assert not await claim_some(store, worker="w3")
    await end(store, first, "succeed")
    assert [one.job_id for one in await claim_some(store)] == ids[3:5]


@pytest.mark.parametrize("ending", ["succeed", "fail", "cancel", "retry", "release", "unstart", "wait"])
async def test_every_ending_frees_a_place_and_calls_a_worker(store: Store, ending: Ending) -> None:
    await open_gate(store, "noop", places=1, in_flight_max=PLENTY)
    _, second = await submit_some(store, 2)
    held = await claim_some(store)
    assert not await claim_some(store)
    await store.call("DEL", store.keys.bell + "cpu")
    await end(store, held, ending, delay_s=60)
    assert await store.call("LLEN", store.keys.bell + "cpu") > 0
    assert [one.job_id for one in await claim_some(store)] == [second]


async def test_a_lost_worker_frees_its_place(store: Store) -> None:
    await open_gate(store, "noop", places=1, in_flight_max=PLENTY)
    await submit_some(store, 1)
    assert await claim_some(store, lease_s=0.001)
    await asyncio.sleep(0.01)
    assert len(await claim_some(store, worker="w2")) == 1


async def test_what_waits_at_the_backend_holds_no_place_and_counts_against_its_limit(store: Store) -> None:
    await open_gate(store, "noop", places=2, in_flight_max=3)
    ids = await submit_some(store, 6)
    await end(store, await claim_some(store), "wait", delay_s=60)
    third = await claim_some(store)
    assert [one.job_id for one in third] == ids[2:3]
    await end(store, third, "wait", delay_s=60)
    assert not await claim_some(store)

    await wake(store, ids[:1])
    woken = await claim_some(store)
    assert [one.job_id for one in woken] == ids[:1], "what comes back needs no place"
    await end(store, woken, "succeed")
    assert [one.job_id for one in await claim_some(store)] == ids[3:4]


async def test_other_kinds_go_past_a_closed_gate_however_many_stand_before_it(store: Store) -> None:
    await open_gate(store, "noop", places=1, in_flight_max=PLENTY)
    await submit_some(store, 150)
    others = await submit_some(store, 3, "other")
    assert {one.job_id for one in await claim_some(store)} >= set(others)


async def test_before_a_gate_users_and_their_stores_go_by_turns(clocked: ClockedStore) -> None:
    """Ten jobs of one store behind forty of another, and another user's behind both."""
    await open_gate(clocked, "noop", places=1, in_flight_max=PLENTY)
    shop, other = make_caller(slots=2), make_caller(slots=2)
    owners: dict[str, str] = {}
    for caller, key, count in ((shop, "large", 40), (shop, "small", 10), (other, None, 10)):
        for _ in range(count):
            admission = await submit(clocked, caller, kind="noop", fairness_key=key)
            owners[admission.job_id] = key or "other"
    order = []
    for _ in range(24):
        (one,) = await claim_some(clocked)
        order.append(owners[one.job_id])
        await clocked.pass_time(10)  # shares are charged by time: each job takes the same
        await finish(clocked, one.job_id, one.fence, "wait", delay_s=600)
    counts = Counter(order)
    assert counts["other"] >= 8
    assert abs(counts["large"] - counts["small"]) <= 3


async def test_a_claim_looks_past_a_bounded_number_and_wakes_nobody_to_do_the_same(store: Store) -> None:
    await open_gate(store, "noop", places=1, in_flight_max=PLENTY)
    await submit_some(store, 250)
    assert len(await claim_some(store)) == 1
    await store.call("DEL", store.keys.bell + "cpu")
    assert not await claim_some(store)
    assert await store.call("LLEN", store.keys.bell + "cpu") == 0


async def test_a_gate_that_was_shut_opens_by_itself_and_the_worker_knows_when(store: Store) -> None:
    await open_gate(store, "noop", places=5, in_flight_max=PLENTY)
    await submit_some(store, 1)
    await shut_gate(store, "noop", 0.2)
    await shut_gate(store, "noop", 0.05)  # the longest word counts
    claims = await claim(store, "w1", ["cpu"], 5, 30)
    assert not claims.jobs
    assert claims.next_due_ms is not None
    assert 50 < claims.next_due_ms <= 200
    async with asyncio.timeout(PATIENCE_S):
        while not await claim_some(store):
            await asyncio.sleep(0.01)


async def test_a_kind_without_a_gate_cannot_be_shut_and_leaves_no_trace(store: Store) -> None:
    await submit_some(store, 1)
    await shut_gate(store, "noop", 60)
    await end(store, await claim_some(store), "wait", delay_s=60)
    assert not await store.call("KEYS", store.keys.prefix + "gate*")


async def test_a_place_of_a_job_whose_record_was_lost_is_freed_and_others_are_kept(store: Store) -> None:
    await open_gate(store, "noop", places=2, in_flight_max=2)
    ids = await submit_some(store, 3)
    held = await claim_some(store)
    assert [one.job_id for one in held] == ids[:2]
    await store.call("DEL", store.keys.job + ids[0])
    await open_gate(store, "noop", places=2, in_flight_max=2)
    assert await store.call("SMEMBERS", store.keys.gate_desk + "noop") == [ids[1].encode()]
    assert [one.job_id for one in await claim_some(store)] == ids[2:]


async def test_a_call_that_comes_before_the_wait_is_not_lost(store: Store) -> None:
    (job_id,) = await submit_some(store, 1)
    held = await claim_some(store)
    await wake(store, [job_id])
    await end(store, held, "wait", delay_s=60)
    again = await claim_some(store)
    assert [one.job_id for one in again] == [job_id]
    await end(store, again, "wait", delay_s=60)
    assert not await claim_some(store), "one call wakes once"
