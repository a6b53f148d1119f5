"""A fleet of ComfyUI servers under fire: workers are killed, servers hang, die, come back and run out of memory."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from pathlib import Path

from tests.faults.checkers import check_all
from tests.faults.conftest import OpenYard
from tests.faults.evidence import Evidence
from tests.faults.figures import FIGURES
from tests.faults.history import Client
from tests.faults.killing import keep_killing, stop_killing
from tests.faults.size import SIZE
from tests.faults.standins import Life, StandinServer, backends_file, lives_of_jobs, standins

SLOTS = {"one": 1, "other": 1, "two": 2}
WORKERS, STEP_MS = 3, 5
#: A breaker that opens soon and lets somebody try soon.
BREAKER = "failures_in_a_row = 2, open_s = 0.5, open_s_max = 0.5"


async def test_every_job_is_drawn_once_while_workers_are_killed_and_servers_break(
    open_yard: OpenYard, tmp_path: Path
) -> None:
    with standins(tmp_path, SLOTS, step_ms=STEP_MS) as servers:
        told = {"backends_file": backends_file(tmp_path, servers, BREAKER), "worker_queues": "gpu"}
        async with open_yard(**told, arq_worker_concurrency=3) as yard:
            client = await yard.client(slots=50)
            yard.fleet.keep(WORKERS)
            servers[2].fail({"name": "out_of_memory", "times": 1})
            losses: list[tuple[str, float]] = []
            killing = asyncio.create_task(keep_killing(yard, losses, spares=True))
            submitting = [asyncio.create_task(submit(client, n)) for n in range(SIZE.fleet_jobs)]
            for _ in range(SIZE.fleet_breaks):
                await break_one(servers)
            await asyncio.gather(*submitting)
            took_s = await yard.rest()
            await stop_killing(killing)
            kills = len(yard.fleet.endings)
            left = [server.left() for server in servers]
            seen = await yard.evidence()

    check_all(seen)
    jobs = seen.dump.jobs()
    assert Counter(job.status for job in jobs.values()) == {"succeeded": SIZE.fleet_jobs}
    assert {len(job.artifacts) for job in jobs.values()} == {1}
    assert left == [0] * len(servers)
    for server in servers:
        assert server.most_at_once() <= server.slots, server.name
    lives = lives_of_jobs(servers, list(jobs))
    check_runs(seen, lives, servers)
    again = sum(len(its) - 1 for its in lives.values())
    FIGURES.note("fleet", "jobs, workers killed, servers broken", f"{len(jobs)}, {kills}, {2 * SIZE.fleet_breaks}")
    FIGURES.note("fleet", "prompts given again, jobs that lost a worker", f"{again}, {len({job for job, _ in losses})}")
    FIGURES.note("fleet", "time to finish after the last submission, s", round(took_s, 1))


async def submit(client: Client, n: int) -> None:
    await asyncio.sleep(n * 0.05)
    picture = {"prompt": f"lighthouse {n}", "width": 64, "height": 64, "steps": random.randint(4, 40), "seed": n}
    await client.insist("generate", f"key-{n}", **picture)


async def break_one(servers: list[StandinServer]) -> None:
    """Freeze one server for a while, and kill another and start it again."""
    frozen, killed = random.sample(servers, 2)
    frozen.breaker.freeze()
    await asyncio.sleep(random.uniform(*SIZE.fleet_frozen_s))
    frozen.breaker.thaw()
    killed.kill()
    await asyncio.sleep(random.uniform(0.1, 0.5))
    await asyncio.to_thread(killed.breaker.start)
    await asyncio.sleep(random.uniform(0.1, 0.5))


def check_runs(seen: Evidence, lives: dict[str, list[Life]], servers: list[StandinServer]) -> None:
    """I8, where servers die too: what a killed server had is given again, and nothing while the first is alive."""
    named = {server.name: server for server in servers}
    for job_id, job in seen.dump.jobs().items():
        its = lives[job_id]
        assert max(Counter(life.prompt for life in its).values()) == 1, its
        lost = 0
        for earlier, later in itertools.pairwise(its):
            assert earlier.ended <= later.began, its
            lost += earlier.ran and named[earlier.server].killed_between(earlier.began, later.began)
        assert 1 <= sum(life.ran for life in its) <= 1 + job.crashes + job.failures + lost, (job, its)
