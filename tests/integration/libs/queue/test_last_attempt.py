"""A worker around a job that has to run alone."""

from __future__ import annotations

import asyncio

from libs.jobs.lifecycle import claim, finish
from libs.jobs.lookup import load_job
from libs.queue.running import Running
from libs.store.client import Store
from tests.fakes.callers import make_caller, submit
from tests.integration.libs.queue.conftest import StartWorker
from tests.patience import PATIENCE_S


class Company:
    """Runs jobs until told to let go, and remembers which ran together."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.running: set[str] = set()
        self.together: list[frozenset[str]] = []
        self.let_go = asyncio.Event()

    async def run(self, running: Running) -> None:
        job_id = running.claim.job_id
        self.running.add(job_id)
        self.together.append(frozenset(self.running))
        await self.let_go.wait()
        self.running.discard(job_id)
        await finish(self._store, job_id, running.claim.fence, "succeed")

    async def wait_for(self, *jobs: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.running != set(jobs):
                await asyncio.sleep(0.01)


async def lost_twice(store: Store, job_id: str) -> None:
    for _ in range(2):
        (only,) = (await claim(store, "dying", ["cpu"], 1, 0.001)).jobs
        assert only.job_id == job_id
        await asyncio.sleep(0.01)


async def end_of(store: Store, user_id: str, *jobs: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while {(await load_job(store, user_id, job_id)).status for job_id in jobs} != {"succeeded"}:
            await asyncio.sleep(0.01)


async def test_nothing_is_claimed_beside_it(store: Store, start_worker: StartWorker) -> None:
    caller, company = make_caller(slots=10), Company(store)
    suspect = (await submit(store, caller)).job_id
    await lost_twice(store, suspect)
    await start_worker(company.run, slots=3)
    await company.wait_for(suspect)
    others = [(await submit(store, caller)).job_id for _ in range(3)]
    await asyncio.sleep(0.2)  # nothing happens that could be waited for
    assert company.running == {suspect}
    company.let_go.set()
    await end_of(store, caller.user_id, suspect, *others)
    assert company.together[0] == {suspect}
    assert not any(suspect in together for together in company.together[1:])


async def test_a_worker_runs_dry_for_it_and_another_goes_on(store: Store, start_worker: StartWorker) -> None:
    caller, company, busy = make_caller(slots=20), Company(store), Company(store)
    first = (await submit(store, caller)).job_id
    await start_worker(company.run, slots=2)
    await company.wait_for(first)
    suspect = (await submit(store, caller, queue="cpu")).job_id
    # The worker took it, too; it dies of it twice, as far as Redis can tell.
    await company.wait_for(first, suspect)
    await store.call("HSET", store.keys.job + suspect, "crashes", "1", "fence", "dead:1")
    await store.call("ZADD", store.keys.zset_of("cpu"), 1e12, suspect)
    await start_worker(busy.run, slots=2)
    later = [(await submit(store, caller)).job_id for _ in range(3)]
    async with asyncio.timeout(PATIENCE_S):
        while not {*later} & busy.running:
            await asyncio.sleep(0.01)
    assert suspect not in busy.running
    company.let_go.set()
    busy.let_go.set()
    await end_of(store, caller.user_id, first, suspect, *later)
    ran = [together for together in company.together + busy.together if suspect in together]
    assert ran[-1] == {suspect}
