"""F8: the object store is away while jobs want to keep their files."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.faults.checkers import check_all
from tests.faults.figures import FIGURES
from tests.faults.servers import breakable_objects
from tests.faults.site import Site
from tests.faults.size import SIZE
from tests.faults.yard import yard as open_yard

JOBS = 12


async def test_no_job_fails_because_the_object_store_is_away(whole_site: Site, tmp_path: Path) -> None:
    with breakable_objects(tmp_path) as (s3, breaker):
        async with open_yard(whole_site, tmp_path, s3) as yard:
            client = await yard.client(slots=JOBS)
            await yard.fleet.start()
            first = await client.insist("render", "first", ms=10, size=100)
            await yard.rest()
            breaker.kill()
            for n in range(JOBS):
                await client.insist("render", f"key-{n}", ms=50, size=1_000)
            await asyncio.sleep(SIZE.objects_away_s)
            assert await yard.unfinished() == JOBS
            breaker.start()
            took_s = await yard.rest()
            seen = await yard.evidence()

    check_all(seen)
    jobs = seen.dump.jobs()
    assert {(job.status, job.failures, job.crashes, len(job.artifacts)) for job in jobs.values()} == {
        ("succeeded", 0, 0, 1)
    }
    assert jobs[first].releases == 0
    FIGURES.note("F8", f"objects away for {SIZE.objects_away_s:g} s: jobs, failed, done after, s",
                 f"{JOBS}, 0, {took_s:.1f}")  # fmt: skip
