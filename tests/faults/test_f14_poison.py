"""F14: jobs that kill whoever runs them, among others that share their workers."""

from __future__ import annotations

import random

from libs.jobs.job import Job
from tests.faults.checkers import check_all
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES
from tests.faults.size import SIZE

CRASHES_MAX = 3


async def test_poison_dies_alone(open_yard: OpenYard) -> None:
    # All the poison and two others fit into the worker at once: without the last attempt alone, those two would die.
    slots = SIZE.poisons + 2
    async with open_yard(arq_worker_concurrency=slots) as yard:
        client = await yard.client(slots=slots)
        poisoned = [(await client.submit("poison", how=how, after_ms=after)).body["id"] for how, after in doses()]
        innocent = [(await client.submit("sleep", ms=random.randint(400, 700))).body["id"] for _ in range(SIZE.among)]
        hog = (await client.submit("poison", how="hog")).body["id"]
        yard.fleet.keep(1)
        took_s = await yard.rest()
        crashed = len(yard.fleet.endings)
        seen = await yard.evidence()

    check_all(seen)
    jobs = seen.dump.jobs()
    assert set(seen.dump.under(seen.dump.keys.dead)[""][::2]) == {job_id.encode() for job_id in poisoned}
    for job_id in poisoned:
        assert (jobs[job_id].status, jobs[job_id].crashes) == ("failed", CRASHES_MAX)
        assert refunded(jobs[job_id])
    assert [jobs[job_id].status for job_id in innocent] == ["succeeded"] * SIZE.among
    assert (jobs[hog].status, jobs[hog].crashes) == ("failed", 0)
    lost = [jobs[job_id].crashes for job_id in innocent]
    assert max(lost) < CRASHES_MAX
    FIGURES.note("F14", "poison among others, worker crashes", f"{len(poisoned)}, {SIZE.among}, {crashed}")
    FIGURES.note("F14", "others that lost a worker once / twice", f"{lost.count(1)} / {lost.count(2)}")
    FIGURES.note("F14", "time to finish, s", round(took_s, 1))


def doses() -> list[tuple[str, int]]:
    """How each kills, and after how many ms."""
    return [(("exit", "kill")[n % 2], random.randint(30, 300)) for n in range(SIZE.poisons)]


def refunded(job: Job) -> bool:
    return job.error is not None and job.error["code"] == "worker_lost"
