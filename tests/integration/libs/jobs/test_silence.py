"""Redis finds out by itself that it was away, and gives a claim whose reply was lost to its worker once more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from libs.jobs.lifecycle import Claim, Held, claim, finish, renew
from libs.jobs.lookup import load_job
from libs.store.client import Store
from tests.fakes.callers import make_caller, submit

LEASE_S = 0.6
QUEUES = ["cpu"]


async def claimed(store: Store, worker: str, lease_s: float = LEASE_S, **more: bool | Sequence[str]) -> list[Claim]:
    return list((await claim(store, worker, QUEUES, 5, lease_s, **more)).jobs)  # type: ignore[arg-type]


async def beat(store: Store, held: Sequence[Claim] = (), *, newcomer: bool = False) -> dict[str, str]:
    """The heartbeat of a worker."""
    leases = [Held(one.queue, one.job_id, one.fence) for one in held]
    return await renew(store, leases, LEASE_S, queues=QUEUES, newcomer=newcomer)


async def crashes(store: Store, held: Claim) -> int:
    return (await load_job(store, held.user_id, held.job_id)).crashes


async def outage() -> None:
    """Longer than a lease, in which nobody is heard."""
    await asyncio.sleep(LEASE_S * 1.5)


async def test_no_lease_is_held_against_anybody_after_a_silence(store: Store) -> None:
    await submit(store, make_caller())
    (held,) = await claimed(store, "w1")
    await beat(store, [held])
    await outage()
    assert await claimed(store, "w2") == []
    assert await beat(store, [held]) == {}
    assert await crashes(store, held) == 0


async def test_it_does_not_matter_who_comes_first_after_a_silence(store: Store) -> None:
    await submit(store, make_caller())
    (held,) = await claimed(store, "w1")
    await beat(store, [held])
    await outage()
    await beat(store, newcomer=False)  # the heartbeat of another worker ends the silence, and notes it
    assert await claimed(store, "w3") == []
    assert await crashes(store, held) == 0


async def test_whoever_is_still_away_after_one_more_lease_has_crashed(store: Store) -> None:
    await submit(store, make_caller())
    (held,) = await claimed(store, "w1")
    await beat(store, [held])
    await outage()
    await beat(store)
    deadline = asyncio.get_running_loop().time() + 5
    while not (again := await claimed(store, "w2")):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(LEASE_S / 6)
        await beat(store)
    assert (again[0].job_id, await crashes(store, held)) == (held.job_id, 1)


async def test_a_worker_that_is_cut_off_alone_spares_nobody(store: Store) -> None:
    await submit(store, make_caller())
    (held,) = await claimed(store, "w1")
    loop = asyncio.get_running_loop()
    until = loop.time() + LEASE_S * 1.5
    while loop.time() < until:
        await beat(store)  # another worker is heard all the time
        await asyncio.sleep(LEASE_S / 6)
    await beat(store)
    (again,) = await claimed(store, "w2", after_outage=True)
    assert (again.job_id, await crashes(store, held)) == (held.job_id, 1)


async def test_a_newcomer_after_the_only_worker_died_does_not_wait(store: Store) -> None:
    await submit(store, make_caller())
    (held,) = await claimed(store, "w1")
    await beat(store, [held])
    await outage()
    await beat(store, newcomer=True)
    (again,) = await claimed(store, "w2", newcomer=True)
    assert (again.job_id, await crashes(store, held)) == (held.job_id, 1)


async def test_a_claim_whose_reply_was_lost_is_given_once_more_and_costs_nothing(store: Store) -> None:
    for _ in range(2):
        await submit(store, make_caller())
    given = await claimed(store, "w1", lease_s=30)
    heard = given[:1]
    again = await claimed(store, "w1", lease_s=30, running=[heard[0].job_id], after_outage=True)
    assert again == given[1:]
    assert await claimed(store, "w2", lease_s=30, after_outage=True) == []
    await finish(store, again[0].job_id, again[0].fence, "succeed")
    job = await load_job(store, again[0].user_id, again[0].job_id)
    assert (job.status, job.attempt, job.crashes) == ("succeeded", 1, 0)


async def test_a_lost_claim_is_found_even_when_its_lease_has_run_out(store: Store) -> None:
    await submit(store, make_caller())
    (given,) = await claimed(store, "w1", lease_s=0.01)
    await asyncio.sleep(0.02)
    (again,) = await claimed(store, "w1", lease_s=30, after_outage=True)
    assert (again.fence, await crashes(store, again)) == (given.fence, 0)
