"""F22: Redis is lost and comes back from a backup, while the bucket went on: both agree again, or it is told."""

from __future__ import annotations

from pathlib import Path

from libs.accounts.reconcile import reconcile
from libs.admission.ledger import differences
from libs.archive.audit import verify_all
from libs.archive.records import Records
from libs.artifacts.objects import Objects
from libs.store.cells import Cells
from tests.fakes.history import archive_all, own_bucket
from tests.faults.checkers import i3_a_succeeded_job_has_its_objects, i6_nothing_is_left_at_rest
from tests.faults.conftest import OpenYard
from tests.faults.evidence import Evidence, digests, dump
from tests.faults.figures import FIGURES
from tests.faults.history import Client
from tests.faults.yard import Yard
from tests.servers import S3Server

JOBS = 4


async def test_a_backup_and_the_bucket_agree_again_and_what_was_lost_is_told(open_yard: OpenYard, s3: S3Server) -> None:
    async with own_bucket(s3) as objects, open_yard(minio_bucket=objects.bucket, arq_worker_concurrency=2) as yard:
        client = await yard.client()
        early = await submitted(client)
        await work(yard)
        waiting = await submitted(client)  # unfinished in the backup, finished and archived by the time of the loss
        backup = take_backup(yard)
        archived_later = await submitted(client)
        await work(yard)
        await yard.client()  # admin acts that the backup does not know
        await archive_all(yard.store, objects)
        lost = await submitted(client)
        await work(yard)

        restore(yard, backup)
        seen = await reconcile(yard.store, objects, look=True)
        found = await reconcile(yard.store, objects)
        again = await reconcile(yard.store, objects)
        FIGURES.note("F22", "jobs restored / finished elsewhere / lost", f"{JOBS} / {len(waiting)} / {len(lost)}")

        assert sorted(found.finished_jobs) == sorted(waiting)
        assert dict(found.lost_jobs) == {client.user_id: len(lost)}
        assert [act.act for act in found.acts] == ["create_user", "create_api_key"]
        assert not found.whole
        assert (seen.finished_jobs, seen.acts, seen.counters) == (found.finished_jobs, found.acts, found.counters)
        assert (again.finished_jobs, again.acts, again.counters) == ([], [], [])
        assert (again.lost_jobs, again.lost_artifacts) == (found.lost_jobs, [])
        await check_the_end(yard, objects, client, [*early, *waiting, *archived_later])


async def check_the_end(yard: Yard, objects: Objects, client: Client, kept: list[str]) -> None:
    """It works on as if nothing had been, and every job that was kept is there with its files."""
    after = await submitted(client)
    await work(yard)
    seen = await dump(yard.store)
    files = [artifact.object_name for job in seen.jobs().values() for artifact in job.artifacts]
    evidence = Evidence(seen, objects=await digests(objects, files))
    i3_a_succeeded_job_has_its_objects(evidence)
    i6_nothing_is_left_at_rest(evidence)
    records = Records(Cells(yard.store), objects, 0)
    for job_id in (*kept, *after):
        job = await records.load_job(client.user_id, job_id)
        assert (job.status, len(job.artifacts)) == ("succeeded", 1)
        assert await objects.stat(job.artifacts[0].object_name) is not None
    assert [one async for one in differences(yard.store, objects)] == []
    assert await verify_all(yard.store, objects) is not None


async def submitted(client: Client) -> list[str]:
    return [(await client.submit("render", ms=10, size=2_000)).body["id"] for _ in range(JOBS)]


async def work(yard: Yard) -> None:
    """A worker that comes, does what there is, and goes."""
    worker = await yard.fleet.start()
    await yard.rest()
    assert (await worker.stop()).status == 0


def take_backup(yard: Yard) -> bytes:
    assert yard.site.redis.call("SAVE") == b"+OK"
    return snapshot(yard).read_bytes()


def restore(yard: Yard, backup: bytes) -> None:
    """Empty Redis, and load the snapshot into it."""
    yard.site.redis.flush()
    snapshot(yard).write_bytes(backup)
    assert yard.site.redis.call("DEBUG", "RELOAD", "NOSAVE") == b"+OK"


def snapshot(yard: Yard) -> Path:
    folder = yard.site.redis.call("CONFIG", "GET", "dir").split(b"\r\n")[-1].decode()
    return Path(folder) / "dump.rdb"
