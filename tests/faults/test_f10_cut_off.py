"""F10: a worker is cut off from Redis, or frozen, while it computes. Its jobs are taken over, and it finds out."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from tests.faults.checkers import check_all
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES
from tests.faults.fleet import Worker
from tests.faults.history import Client
from tests.faults.servers import link
from tests.faults.size import SIZE
from tests.faults.yard import Yard

JOBS = 3


async def test_a_worker_that_was_cut_off_writes_nothing_and_stops(open_yard: OpenYard) -> None:
    async with open_yard() as yard, link(yard.site.redis.port) as wire:
        client = await yard.client(slots=JOBS)
        there = yard.site.redis.url.replace(str(yard.site.redis.port), str(wire.port))
        stale = await yard.fleet.start(redis_url=there)
        long, short = await begun(yard, client, stale)
        wire.cut()
        fresh = await yard.fleet.start()
        # The short job ends on the stale worker meanwhile: it cannot commit, and must not later.
        await taken_over(yard, [*long, short], fresh)
        wire.mend()
        await all_stopped(yard, long, stale)
        assert stale.alive
        await conclude(yard, "cut off")


async def test_a_worker_that_was_frozen_writes_nothing_and_stops(open_yard: OpenYard) -> None:
    async with open_yard() as yard:
        client = await yard.client(slots=JOBS)
        stale = await yard.fleet.start()
        long, short = await begun(yard, client, stale)
        stale.send(signal.SIGSTOP)
        fresh = await yard.fleet.start()
        await taken_over(yard, [*long, short], fresh)
        await asyncio.sleep(SIZE.frozen_s)
        stale.send(signal.SIGCONT)
        await all_stopped(yard, long, stale)
        assert stale.alive
        await conclude(yard, f"frozen for {SIZE.frozen_s:g} s")


async def test_a_lone_worker_that_was_frozen_goes_on_where_it_was(open_yard: OpenYard) -> None:
    async with open_yard() as yard:
        client = await yard.client(slots=JOBS)
        alone = await yard.fleet.start()
        job_id = (await client.submit("sleep", ms=1_500, marked=True)).body["id"]
        await marks(yard, "began", [job_id], alone)
        alone.send(signal.SIGSTOP)
        await asyncio.sleep(3 * SIZE.lease_s)
        alone.send(signal.SIGCONT)
        await yard.rest()
        seen = await yard.evidence()
    check_all(seen)
    job = seen.dump.jobs()[job_id]
    assert (job.status, job.attempt, job.crashes) == ("succeeded", 1, 0)


async def begun(yard: Yard, client: Client, worker: Worker) -> tuple[list[str], str]:
    """Jobs that the worker runs: long ones, and one that ends while it is away."""
    long = [(await client.submit("sleep", ms=60_000, again_ms=100, marked=True)).body["id"] for _ in range(JOBS - 1)]
    short = (await client.submit("sleep", ms=400, marked=True)).body["id"]
    await marks(yard, "began", [*long, short], worker)
    return long, short


async def taken_over(yard: Yard, job_ids: list[str], worker: Worker) -> None:
    await marks(yard, "began", job_ids, worker)


async def all_stopped(yard: Yard, job_ids: list[str], worker: Worker) -> None:
    await marks(yard, "stopped", job_ids, worker)


async def marks(yard: Yard, said: str, job_ids: list[str], worker: Worker) -> None:
    """Wait until the worker has said so of each of these."""
    found: Callable[[dict[str, object]], bool] = lambda mark: (mark["said"], mark["pid"]) == (said, worker.pid)  # noqa: E731  # named for the reader
    async with asyncio.timeout(SIZE.within_s):
        while True:
            tally = await yard.backend.tally()
            if set(job_ids) <= {mark["job"] for mark in tally.marks if found(mark)}:
                return
            await asyncio.sleep(0.05)


async def conclude(yard: Yard, how: str) -> None:
    await yard.rest()
    seen = await yard.evidence()
    check_all(seen)
    jobs = seen.dump.jobs().values()
    assert [(job.status, job.attempt, job.crashes) for job in jobs] == [("succeeded", 2, 1)] * JOBS
    finished = [mark["job"] for mark in seen.tally.marks if mark["said"] == "finished"]
    FIGURES.note(
        "F10",
        f"{how}: jobs taken over, finished twice, committed once",
        f"{JOBS}, {len(finished) - len(set(finished))}, {JOBS}",
    )
