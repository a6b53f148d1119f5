"""F1: a random worker is killed, again and again, under load."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict

from tests.faults.checkers import check_all
from tests.faults.conftest import OpenYard
from tests.faults.evidence import Dump, stream
from tests.faults.figures import FIGURES, percentile
from tests.faults.history import Client
from tests.faults.killing import keep_killing, stop_killing
from tests.faults.size import SIZE

USERS, SLOTS, WORKERS = 4, 3, 3


async def test_all_jobs_end_once_while_workers_are_killed(open_yard: OpenYard) -> None:
    async with open_yard() as yard:
        clients = [await yard.client(slots=SLOTS) for _ in range(USERS)]
        yard.fleet.keep(WORKERS)
        submitting = [asyncio.create_task(submit(clients[n % USERS], n)) for n in range(SIZE.killed_jobs)]
        losses: list[tuple[str, float]] = []
        killing = asyncio.create_task(keep_killing(yard, losses))
        await asyncio.gather(*submitting)
        took_s = await yard.rest()
        await stop_killing(killing)
        kills = yard.fleet.endings
        seen = await yard.evidence()

    check_all(seen)
    jobs = seen.dump.jobs().values()
    assert {job.status for job in jobs} == {"succeeded"}
    assert len(jobs) == SIZE.killed_jobs
    assert all(job.artifacts or job.kind == "noop" for job in jobs)
    for n in range(USERS):
        assert seen.tally.most_at_once(f"user{n}") <= SLOTS
    waits = rescues_s(seen.dump, losses)
    FIGURES.note("F1", "jobs, workers, kills", f"{len(jobs)}, {WORKERS}, {len(kills)}")
    FIGURES.note("F1", "jobs that lost a worker", sum(job.crashes > 0 for job in jobs))
    FIGURES.note("F1", "time to finish after the last submission, s", round(took_s, 1))
    FIGURES.note("F1", "kill to claim by another worker, p50 / p99, s",
                 f"{percentile(waits, 50):.2f} / {percentile(waits, 99):.2f}")  # fmt: skip
    assert waits
    assert percentile(waits, 99) <= 5 or not SIZE.timed


async def submit(client: Client, n: int) -> None:
    # Submissions keep coming while workers die.
    await asyncio.sleep(n * 0.01)
    if n % 5 == 0:
        await client.insist("noop", f"key-{n}", n=n)
    else:
        ms = random.randint(20, SIZE.killed_job_ms)
        await client.insist("render", f"key-{n}", ms=ms, size=2_000, tag=f"user{n % USERS}")


def rescues_s(dump: Dump, losses: list[tuple[str, float]]) -> list[float]:
    """From each kill to the start of the next attempt, of every job that was lost; the outbox tells when that was."""
    starts: dict[str, list[float]] = defaultdict(list)
    for _, entry in stream(dump.values[dump.keys.outbox]):
        if entry["event"] == "job.running":
            starts[entry["about"]].append(int(entry["at"]) / 1000)
    return [min(at for at in starts[job_id] if at > lost_at) - lost_at for job_id, lost_at in losses]
