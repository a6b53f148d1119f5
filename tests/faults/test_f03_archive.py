"""F3 for the sweep: a worker dies at each step of moving history; nothing is lost, nothing is there twice."""

from __future__ import annotations

import asyncio

from libs.admission.ledger import differences
from libs.archive.audit import verify_all
from libs.archive.records import Records
from libs.artifacts.objects import Objects
from libs.jobs.job import Job
from libs.jobs.lookup import Wanted
from libs.store.cells import Cells
from tests.fakes.history import archive_all, keys_naming, own_bucket
from tests.faults.conftest import OpenYard
from tests.faults.failpoints import KILLED
from tests.faults.figures import FIGURES
from tests.faults.history import Client
from tests.faults.size import SIZE
from tests.faults.yard import Yard
from tests.servers import S3Server

JOBS = 3
#: The list of admissions, then the user's ledger, then the jobs: of each a note, then the segment.
STEPS = {
    "a note is stored": "after put 1",
    "a log is stored": "after put 2",
    "a log is cut": "after cut_log 1",
    "the jobs' note is stored": "after put 5",
    "in the middle of the jobs' segment": "during put 6",
    "the jobs' segment is stored": "after put 6",
    "in the middle of letting go": "during yield_jobs 1",
    "Redis has let go": "after yield_jobs 1",
}


async def test_a_death_at_any_step_of_the_archive_loses_nothing(open_yard: OpenYard, s3: S3Server) -> None:
    async with own_bucket(s3) as objects, open_yard(minio_bucket=objects.bucket) as yard:
        client = await yard.client()
        known: dict[str, Job] = {}
        for order in STEPS.values():
            known |= await some_history(yard, client, objects)
            await yard.store.call("DEL", yard.store.keys.sweeper)  # or its turn would come only seconds later
            dying = await yard.fleet.start(archive_after=1, arqade_faults_failpoint=order)
            async with asyncio.timeout(SIZE.within_s):
                assert (await asyncio.shield(dying.ended)).status == KILLED, (order, yard.fleet.logs())
            await check(yard, client, objects, known)
        await archive_all(yard.store, objects)
        await check(yard, client, objects, known)
        keys = yard.store.keys
        assert await keys_naming(yard.store, *known) <= {keys.outbox, keys.walk}  # undelivered webhooks; a place
        assert [one async for one in differences(yard.store, objects)] == []
        assert await verify_all(yard.store, objects) is not None
        FIGURES.note("F3", "deaths while history moves, jobs lost", f"{len(STEPS)}, 0")


async def some_history(yard: Yard, client: Client, objects: Objects) -> dict[str, Job]:
    """Jobs that have ended, as Redis tells of them."""
    ids = [(await client.submit("render", ms=1, size=500)).body["id"] for _ in range(JOBS)]
    worker = await yard.fleet.start()
    await yard.rest()
    assert (await worker.stop()).status == 0
    records = Records(Cells(yard.store), objects, 0)
    return {job_id: await records.load_job(client.user_id, job_id) for job_id in ids}


async def check(yard: Yard, client: Client, objects: Objects, known: dict[str, Job]) -> None:
    """Every job is found, as it was, once, with its files."""
    records = Records(Cells(yard.store), objects, 0)
    page = await records.list_jobs(client.user_id, Wanted(), limit=100)
    assert [job.id for job in page.jobs] == sorted(known, reverse=True)
    for job in page.jobs:
        assert job == known[job.id] == await records.load_job(client.user_id, job.id)
        assert await objects.stat(job.artifacts[0].object_name) is not None
