"""What a job needs is away for a while: the job waits, and nothing is held against it."""

from __future__ import annotations

import asyncio

import httpx

from libs.embedded.comfyui_standin import Standin
from libs.embedded.ports import free_port
from tests.fakes.customers import PICTURE
from tests.fakes.workers import LOST_AFTER_S
from tests.integration.apps.worker.workshop import LONG, OpenWorkshop, Workshop
from tests.patience import PATIENCE_S
from tests.servers import RedisServer, S3Server, life_of


async def test_without_a_comfyui_a_job_waits_and_expires_at_its_deadline_free_of_charge(workshop: Workshop) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    workshop.start_worker(comfyui_url=nobody)
    await workshop.workers_ready()
    before = (await workshop.someone.me())["left"]["units_today"]
    body = {"kind": "generate", "input": PICTURE, "deadline_seconds": 2}
    job_id = (await workshop.someone.job(body))["id"]
    await workshop.until(job_id, lambda job: job["attempt"] >= 1 and job["status"] == "queued")
    job = await workshop.finished(job_id)
    assert (job["status"], job["error"], job["artifacts"]) == ("expired", None, [])
    assert job["finished_at"] >= job["deadline_at"]
    assert (await workshop.someone.me())["left"]["units_today"] == before
    assert (await workshop.record(job_id)).failures == 0


async def test_a_job_whose_comfyui_comes_back_succeeds(workshop: Workshop) -> None:
    port = free_port()
    workshop.start_worker(comfyui_url=f"http://127.0.0.1:{port}")
    job_id = (await workshop.someone.job())["id"]
    await workshop.until(job_id, lambda job: job["attempt"] >= 1 and job["status"] == "queued")
    async with Standin(step_ms=5).listening(port=port):
        job = await workshop.finished(job_id)
    assert (job["status"], len(job["artifacts"])) == ("succeeded", 1)
    record = await workshop.record(job_id)
    assert (record.failures, record.crashes) == (0, 0)
    assert record.releases >= 1


async def test_without_an_object_store_a_job_waits_and_keeps_its_picture_afterwards(
    open_workshop: OpenWorkshop, own_s3: S3Server
) -> None:
    workshop = await open_workshop(objects=own_s3, step_ms=5)
    worker = workshop.start_worker()
    with life_of(own_s3) as life:
        with life.killed():
            job_id = (await workshop.someone.job())["id"]
            await workshop.until(job_id, lambda job: job["attempt"] >= 1 and job["status"] == "queued")
        job = await workshop.finished(job_id)
        async with httpx.AsyncClient(timeout=PATIENCE_S) as stranger:
            picture = await stranger.get(job["artifacts"][0]["url"])
    assert (job["status"], job["error"]) == ("succeeded", None)
    assert (picture.status_code, len(picture.content)) == (200, job["artifacts"][0]["size_bytes"])
    assert workshop.runs == [1]
    record = await workshop.record(job_id)
    assert (record.failures, record.crashes) == (0, 0)
    assert worker.running


async def test_a_restart_of_redis_interrupts_no_job(open_workshop: OpenWorkshop, own_redis: RedisServer) -> None:
    workshop = await open_workshop(redis=own_redis)
    worker = workshop.start_worker()
    with life_of(own_redis) as life:
        job_id = (await workshop.someone.job(LONG))["id"]
        await workshop.at_work(job_id)
        with life.killed():
            await asyncio.sleep(0.3)
        job = await workshop.finished(job_id)
        record = await workshop.record(job_id)
        later = await workshop.finished((await workshop.someone.job())["id"])
    assert (job["status"], job["attempt"], workshop.runs[0]) == ("succeeded", 1, 1)
    assert (record.failures, record.crashes, record.releases) == (0, 0, 0)
    assert later["status"] == "succeeded"
    assert worker.running
    assert worker.lines("error") == []


async def test_a_job_that_ends_while_redis_is_away_is_committed_when_it_is_back(
    open_workshop: OpenWorkshop, own_redis: RedisServer
) -> None:
    workshop = await open_workshop(redis=own_redis)
    for _ in range(2):  # one of them is idle, and would take the job over if it were given up
        workshop.start_worker(lease_s=LOST_AFTER_S)
    await workshop.workers_ready(2)
    with life_of(own_redis) as life:
        job_id = (await workshop.someone.job({**PICTURE, "steps": 20}))["id"]
        await workshop.at_work(job_id)
        with life.killed():
            await asyncio.sleep(LOST_AFTER_S + 0.5)  # longer than the lease, and than the picture takes
        job = await workshop.finished(job_id)
        record = await workshop.record(job_id)
    assert (job["status"], job["attempt"], workshop.runs) == ("succeeded", 1, [1])
    assert (record.failures, record.crashes, record.releases) == (0, 0, 0)
    assert all(worker.running for worker in workshop.workers)
