"""F20: a client cancels a job at the very moment at which it ends: one winner, one settlement, one last event."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from tests.faults.checkers import check_all
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES
from tests.faults.history import JOBS, Client
from tests.faults.size import SIZE

AT_ONCE, JOB_MS = 20, (20, 80)
#: Not begun yet, told to end, and ended already.
AT_ONCE_OVER, ACCEPTED, TOO_LATE = 200, 202, 409
POSSIBLE = {(AT_ONCE_OVER, "canceled"), (ACCEPTED, "canceled"), (ACCEPTED, "succeeded"), (TOO_LATE, "succeeded")}


async def test_of_a_cancel_and_an_end_one_wins(open_yard: OpenYard) -> None:
    async with open_yard(arq_worker_concurrency=AT_ONCE) as yard:
        client = await yard.client(slots=AT_ONCE)
        await yard.fleet.start()
        racers = [range(racer, SIZE.races, AT_ONCE) for racer in range(AT_ONCE)]
        answers = await asyncio.gather(*[race(client, numbers) for numbers in racers])
        await yard.rest()
        seen = await yard.evidence()

    check_all(seen)
    told = {job_id: status for answered in answers for job_id, status in answered.items()}
    jobs = seen.dump.jobs()
    assert jobs.keys() == told.keys()
    won = Counter((told[job_id], job.status) for job_id, job in jobs.items())
    assert won.keys() <= POSSIBLE, won
    ends = Counter(job.status for job in jobs.values())
    assert min(ends["canceled"], ends["succeeded"]) > 0
    FIGURES.note("F20", "races, canceled, succeeded", f"{SIZE.races}, {ends['canceled']}, {ends['succeeded']}")


async def race(client: Client, numbers: range) -> dict[str, int | None]:
    """One after the other; what was answered to each cancel."""
    answers: dict[str, int | None] = {}
    for _ in numbers:
        ms = random.randint(*JOB_MS)
        job_id = (await client.submit("sleep", ms=ms)).body["id"]
        await asyncio.sleep(random.uniform(0.5, 1.1) * ms / 1000)
        answers[job_id] = (await client.call("DELETE", f"{JOBS}/{job_id}", route=JOBS + "/{id}")).status
    return answers
