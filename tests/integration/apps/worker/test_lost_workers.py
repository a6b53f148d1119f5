"""A worker is killed, or told to stop, in the middle of a job: the job goes on elsewhere, where it was."""

from __future__ import annotations

import pytest

from tests.fakes.customers import PICTURE
from tests.fakes.workers import ARQ, ARQADE, LOST_AFTER_S
from tests.integration.apps.worker.workshop import LONG, Workshop
from tests.run.promises import Prompt


async def test_a_killed_workers_prompt_is_resumed_by_another_and_drawn_once(workshop: Workshop) -> None:
    for _ in range(2):
        workshop.start_worker(lease_s=LOST_AFTER_S)
    job_id = (await workshop.someone.job(LONG))["id"]
    await workshop.at_work(job_id)
    holder = await workshop.holder_of(job_id)
    holder.kill()
    job = await workshop.finished(job_id)
    assert (job["status"], job["attempt"], len(job["artifacts"])) == ("succeeded", 2, 1)
    assert workshop.runs == [1]
    record = await workshop.record(job_id)
    assert (record.crashes, record.failures, record.releases) == (1, 0, 0)
    (other,) = [worker for worker in workshop.workers if worker is not holder]
    assert other.running


@pytest.mark.parametrize("entry", [ARQADE, ARQ], ids=["arqade worker", "arq WorkerSettings"])
async def test_a_worker_that_is_told_to_stop_hands_its_job_back_and_no_attempt_is_used(
    workshop: Workshop, entry: tuple[str, ...], prompt: Prompt
) -> None:
    grace_s = 0.2
    first = workshop.start_worker(entry=entry, drain_grace_s=grace_s)
    job_id = (await workshop.someone.job(LONG))["id"]
    await workshop.at_work(job_id)
    with prompt(grace_s + 2):
        first.ask_to_stop()
        assert await first.ended() == 0
    assert (await workshop.someone.look(job_id))["status"] == "queued"
    assert first.lines("error") == []
    workshop.start_worker()
    job = await workshop.finished(job_id)
    assert (job["status"], workshop.runs) == ("succeeded", [1])
    record = await workshop.record(job_id)
    assert (record.releases, record.failures, record.crashes) == (1, 0, 0)


async def test_a_worker_that_is_told_to_stop_finishes_what_fits_into_its_grace_and_takes_nothing_more(
    workshop: Workshop,
) -> None:
    worker = workshop.start_worker(entry=ARQ, drain_grace_s=10)
    job_id = (await workshop.someone.job({**PICTURE, "steps": 40}))["id"]
    await workshop.at_work(job_id)
    worker.ask_to_stop()
    later = (await workshop.someone.job())["id"]
    assert await worker.ended() == 0
    assert (await workshop.someone.look(job_id))["status"] == "succeeded"
    assert (await workshop.someone.look(later))["status"] == "queued"
    assert worker.lines("error") == []


async def test_an_idle_worker_stops_at_once(workshop: Workshop, prompt: Prompt) -> None:
    worker = workshop.start_worker()
    await workshop.finished((await workshop.someone.job())["id"])
    with prompt(2):
        worker.ask_to_stop()
        assert await worker.ended() == 0
