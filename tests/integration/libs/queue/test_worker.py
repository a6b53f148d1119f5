"""The worker on a real Redis: claims, the doorbell, orders, drain, foreign jobs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from arq import Retry
from arq.connections import ArqRedis
from arq.jobs import Job as ArqJob
from arq.jobs import JobStatus
from arq.worker import func

from libs.jobs.lifecycle import Claim, FencedError, cancel, claim, finish
from libs.jobs.lookup import load_job
from libs.jobs.status import StopReason
from libs.queue.running import Running
from libs.store.client import Store
from tests.fakes.callers import make_caller, submit
from tests.integration.libs.queue.conftest import StartWorker
from tests.patience import PATIENCE_S


async def succeed(store: Store, running: Running) -> None:
    await finish(store, running.claim.job_id, running.claim.fence, "succeed")


class Seen:
    """What a worker ran, awaited by number."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._changed = asyncio.Condition()

    async def add(self, job_id: str) -> None:
        async with self._changed:
            self.ids.append(job_id)
            self._changed.notify_all()

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.ids) >= count)


async def test_each_job_runs_once_and_in_order(store: Store, start_worker: StartWorker) -> None:
    caller, seen = make_caller(), Seen()

    async def run(running: Running) -> None:
        await succeed(store, running)
        await seen.add(running.claim.job_id)

    await start_worker(run, slots=1)
    made = [(await submit(store, caller)).job_id for _ in range(20)]
    await seen.wait_for(20)
    assert seen.ids == made


async def test_a_running_job_hears_of_its_cancel(store: Store, start_worker: StartWorker) -> None:
    caller, started, heard = make_caller(), asyncio.Event(), asyncio.Event()

    async def run(running: Running) -> None:
        try:
            with running.handling():
                started.set()
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            await finish(store, running.claim.job_id, running.claim.fence, "cancel")
            heard.set()

    await start_worker(run)
    job_id = (await submit(store, caller)).job_id
    async with asyncio.timeout(PATIENCE_S):
        await started.wait()
        assert await cancel(store, caller.user_id, job_id) == "requested"
        await heard.wait()
    assert (await load_job(store, caller.user_id, job_id)).status == "canceled"


async def test_a_worker_that_lost_its_lease_stops_its_handler(store: Store, start_worker: StartWorker) -> None:
    caller, started, reasons = make_caller(), asyncio.Event(), asyncio.Queue[StopReason | None]()

    async def run(running: Running) -> None:
        try:
            with running.handling():
                started.set()
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            with pytest.raises(FencedError):
                await succeed(store, running)
            await reasons.put(running.stop_reason)

    await start_worker(run, slots=1, lease_s=0.6)
    job_id = (await submit(store, caller)).job_id
    async with asyncio.timeout(PATIENCE_S):
        await started.wait()
        # What a frozen process looks like to the others: its lease has run out without its knowing.
        thief: tuple[Claim, ...] = ()
        while not thief:
            await store.call("ZADD", store.keys.zset_of("cpu"), 1e12, job_id)
            thief = (await claim(store, "thief", ["cpu"], 1, 30, newcomer=True)).jobs
        assert await reasons.get() == "lost"
    await finish(store, job_id, thief[0].fence, "succeed")
    job = await load_job(store, caller.user_id, job_id)
    assert (job.status, job.attempt, job.crashes) == ("succeeded", 2, 1)


async def test_a_drain_hands_unfinished_jobs_back_without_using_an_attempt(
    store: Store, start_worker: StartWorker
) -> None:
    caller, started = make_caller(), asyncio.Event()

    async def run(running: Running) -> None:
        try:
            with running.handling():
                started.set()
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            assert running.stop_reason == "released"
            await finish(store, running.claim.job_id, running.claim.fence, "release")

    worker = await start_worker(run)
    job_id = (await submit(store, caller)).job_id
    await asyncio.wait_for(started.wait(), PATIENCE_S)
    await worker.drain(0)
    job = await load_job(store, caller.user_id, job_id)
    assert (job.status, job.releases, job.failures, job.crashes) == ("queued", 1, 0, 0)


async def test_a_worker_recycles_after_its_number_of_jobs(store: Store, start_worker: StartWorker) -> None:
    caller, seen = make_caller(), Seen()

    async def run(running: Running) -> None:
        await succeed(store, running)
        await seen.add(running.claim.job_id)

    for _ in range(5):
        await submit(store, caller)
    worker = await start_worker(run, slots=1, recycle_after=2)
    await seen.wait_for(2)
    async with asyncio.timeout(PATIENCE_S):
        while worker.running:
            await asyncio.sleep(0.01)
    assert len(seen.ids) == 2


async def test_stock_enqueue_job_runs_here_and_keeps_its_result(
    store: Store, pool: ArqRedis, start_worker: StartWorker
) -> None:
    async def add(ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> int:
        return sum(args)

    async def refuse(_running: Running) -> None:
        raise AssertionError("no job of ours is here")

    await start_worker(refuse, (func(add, name="add"),))
    job = await pool.enqueue_job("add", 2, 3)
    assert isinstance(job, ArqJob)
    assert await job.result(timeout=PATIENCE_S, poll_delay=0.02) == 5
    assert await job.status() == JobStatus.complete
    assert await store.call("ZCARD", "arq:queue") == 0


async def test_a_foreign_retry_comes_back(pool: ArqRedis, start_worker: StartWorker) -> None:
    tries: list[int] = []

    async def flaky(ctx: dict[str, Any]) -> int:
        tries.append(ctx["job_try"])
        if len(tries) < 3:
            raise Retry(defer=0.01)
        return len(tries)

    async def refuse(_running: Running) -> None:
        raise AssertionError("no job of ours is here")

    await start_worker(refuse, (func(flaky, name="flaky"),))
    job = await pool.enqueue_job("flaky")
    assert isinstance(job, ArqJob)
    assert await job.result(timeout=PATIENCE_S, poll_delay=0.02) == 3
    assert tries == [1, 2, 3]


async def test_a_hook_that_raises_does_not_end_the_worker(store: Store, start_worker: StartWorker) -> None:
    caller, seen = make_caller(), Seen()

    async def broken(_ctx: dict[str, Any]) -> None:
        raise RuntimeError("a hook")

    async def run(running: Running) -> None:
        await succeed(store, running)
        await seen.add(running.claim.job_id)

    await start_worker(run, on_startup=broken, on_shutdown=broken)
    await submit(store, caller)
    await seen.wait_for(1)


async def test_a_bug_in_the_runner_costs_a_crash_and_not_the_worker(store: Store, start_worker: StartWorker) -> None:
    caller, seen = make_caller(), Seen()

    async def run(running: Running) -> None:
        if running.claim.attempt == 1:
            raise RuntimeError("a bug")
        await succeed(store, running)
        await seen.add(running.claim.job_id)

    await start_worker(run, lease_s=0.3)
    job_id = (await submit(store, caller)).job_id
    await seen.wait_for(1)
    assert (await load_job(store, caller.user_id, job_id)).crashes == 1
