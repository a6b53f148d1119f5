"""F3: a worker dies at each place where it matters; the end is the one that would have been without."""

from __future__ import annotations

import asyncio

from tests.faults.checkers import check_all
from tests.faults.conftest import OpenYard
from tests.faults.failpoints import FAILPOINTS, KILLED
from tests.faults.figures import FIGURES
from tests.faults.size import SIZE
from tests.faults.yard import Yard

LEASE_S = 1.5
#: Long enough for a renewal, large enough for a death in the middle of an upload.
RUN_MS, FILE_BYTES = 800, 400_000


async def test_a_death_at_any_place_changes_nothing_but_the_crash_count(open_yard: OpenYard) -> None:
    died = dict.fromkeys(FAILPOINTS, 0)
    async with open_yard(arq_worker_concurrency=1, lease_s=LEASE_S) as yard:
        client = await yard.client()
        for _ in range(SIZE.failpoint_times):
            orders = [(await client.submit("render", ms=RUN_MS, size=FILE_BYTES)).accepted for _ in FAILPOINTS]
            assert all(orders)
            # One after the other, or a worker might find no job to die at.
            for name, order in FAILPOINTS.items():
                died[name] += await dies_at(yard, order)
            healthy = await yard.fleet.start()
            await yard.rest()
            assert (await healthy.stop()).status == 0
        seen = await yard.evidence()

    check_all(seen)
    jobs = seen.dump.jobs().values()
    assert died == dict.fromkeys(FAILPOINTS, SIZE.failpoint_times)
    assert [(job.status, job.failures, len(job.artifacts)) for job in jobs] == [("succeeded", 0, 1)] * len(jobs)
    FIGURES.note("F3", "failpoints, deaths at each", f"{len(died)}, {SIZE.failpoint_times}")
    FIGURES.note("F3", "crashes counted, of deaths", f"{sum(job.crashes for job in jobs)} / {sum(died.values())}")


async def dies_at(yard: Yard, order: str) -> bool:
    worker = await yard.fleet.start(arqade_faults_failpoint=order)
    async with asyncio.timeout(SIZE.within_s):
        ending = await asyncio.shield(worker.ended)
    assert ending.status == KILLED, yard.fleet.logs()
    return True
