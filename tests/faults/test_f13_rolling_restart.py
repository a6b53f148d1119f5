"""F13: workers are restarted one after the other, as a deployment does, while they work."""

from __future__ import annotations

import asyncio
import random
import time

from tests.faults.checkers import check_all
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES
from tests.faults.size import SIZE

WORKERS = 2
FAREWELL_S = 2.0


async def test_a_deployment_fails_nothing_and_uses_up_no_attempt(open_yard: OpenYard) -> None:
    exits_s: list[float] = []
    async with open_yard(drain_grace_s=SIZE.restart_grace_s) as yard:
        client = await yard.client(slots=10)
        await yard.fleet.start_many(WORKERS)
        for n in range(SIZE.restart_jobs):
            ms = int(random.uniform(*SIZE.restart_job_s) * 1000)
            await client.insist("render" if n % 2 else "sleep", f"key-{n}", ms=ms)
        for _ in range(SIZE.restarts):
            for worker in yard.fleet.alive:
                await asyncio.sleep(random.uniform(0.1, 0.5))
                await yard.fleet.start()
                began = time.monotonic()
                assert (await worker.stop()).status == 0, yard.fleet.logs()
                exits_s.append(time.monotonic() - began)
        await yard.rest()
        seen = await yard.evidence()

    check_all(seen)
    jobs = seen.dump.jobs().values()
    assert {(job.status, job.failures, job.crashes) for job in jobs} == {("succeeded", 0, 0)}
    assert max(exits_s) <= SIZE.restart_grace_s + FAREWELL_S or not SIZE.timed
    FIGURES.note("F13", "restarts, jobs, handed back, failed",
                 f"{len(exits_s)}, {len(jobs)}, {sum(job.releases for job in jobs)}, 0")  # fmt: skip
    FIGURES.note("F13", f"exit after SIGTERM (grace {SIZE.restart_grace_s:g} s), max, s", f"{max(exits_s):.2f}")
