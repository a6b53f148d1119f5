"""Drain: how fast workers empty a queue of no-op jobs, and what a job costs them.

python -m tests.bench.drain [--jobs 4000] [--rounds 3] [--peers]
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import median, print_table, ratio, spread
from tests.bench.lineup import ARQ_STOCK, ARQADE, Contestant, lineup
from tests.bench.processes import run, spawned
from tests.bench.redis import fresh_redis, watched_commands
from tests.bench.witness import EVERY, Sighting, Stand, stand
from tests.servers import RedisServer

__all__ = ["Drained", "drain", "main"]

_EVERY = 50
_START_S, _LAST_WORD_S = 30.0, 1.5


@dataclass(frozen=True, slots=True)
class Drained:
    """Jobs a second of all workers, and CPU ms a job of one."""

    jobs_per_s: float
    cpu_ms: float


def drain(server: RedisServer, folder: Path, who: Contestant, jobs: int, workers: int = 1) -> Drained:
    """Submit, then start the workers, and watch from the moment when all of them are at work."""
    server.flush()
    with stand(folder / "witness") as watched, ExitStack() as stack:
        environment = {**who.environment, **watched.environment, "BENCH_REDIS_URL": server.url, EVERY: str(_EVERY)}
        run(who.module, "submit", str(jobs), environment=environment, python=who.python)
        for _ in range(workers):
            stack.enter_context(spawned(who.module, "work", environment=environment, python=who.python))
        return _figures(_watch(watched, jobs, workers), jobs, workers)


def _watch(watched: Stand, jobs: int, workers: int) -> dict[int, list[Sighting]]:
    """Every worker's sightings, until all jobs have been seen."""
    seen: dict[int, list[Sighting]] = defaultdict(list)
    while sum(of_one[-1].count for of_one in seen.values()) <= jobs - workers * _EVERY:
        sighting = watched.wait(_START_S)
        seen[sighting.pid].append(sighting)
    return seen


def _figures(seen: dict[int, list[Sighting]], jobs: int, workers: int) -> Drained:
    assert len(seen) == workers, f"only {len(seen)} of {workers} workers had something to do"
    began_ns = max(of_one[0].at_ns for of_one in seen.values())
    ended_ns = min(of_one[-1].at_ns for of_one in seen.values())
    counted, cpu_ms = 0, []
    for of_one in seen.values():
        inside = [sighting for sighting in of_one if began_ns <= sighting.at_ns <= ended_ns]
        counted += inside[-1].count - inside[0].count
        cpu_ms.append((of_one[-1].cpu_ns - of_one[0].cpu_ns) / 1e6 / (of_one[-1].count - of_one[0].count))
    return Drained(counted / (ended_ns - began_ns) * 1e9, median(cpu_ms))


def commands_a_job(server: RedisServer, folder: Path, who: Contestant, jobs: int = 500) -> tuple[float, float]:
    """Commands that a worker sends to run a job, and those that its scripts call."""
    server.flush()
    with stand(folder / "witness") as watched:
        environment = {**who.environment, **watched.environment, "BENCH_REDIS_URL": server.url, EVERY: str(_EVERY)}
        run(who.module, "submit", str(jobs), environment=environment, python=who.python)
        with (
            watched_commands(server) as counted,
            spawned(who.module, "work", environment=environment, python=who.python),
        ):
            while watched.wait(_START_S).count < jobs:
                pass
    return counted.sent / jobs, counted.in_scripts / jobs


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", action="store_true")
    wanted = parser.parse_args(arguments)
    contestants = lineup(peers=wanted.peers)
    drained: dict[str, list[Drained]] = defaultdict(list)
    with fresh_redis() as (server, folder):
        for _ in range(wanted.rounds):
            for who in contestants:
                jobs = wanted.jobs if who is not ARQ_STOCK else 600
                drained[who.name].append(drain(server, folder, who, jobs))
            drained["Arqade, 4 workers"].append(drain(server, folder, ARQADE, 2 * wanted.jobs, workers=4))
        commands = {who.name: commands_a_job(server, folder, who) for who in contestants}
    rates = {name: [one.jobs_per_s for one in of_one] for name, of_one in drained.items()}
    print_table(
        "Drain of no-op jobs, one worker process unless said",
        ["jobs/s", "Arqade's ratio to it", "CPU ms/job", "commands/job", "inside scripts"],
        {
            name: [
                spread(rates[name]),
                ratio(rates[ARQADE.name], rates[name]),
                median([one.cpu_ms for one in of_one]),
                *commands.get(name, (None, None)),
            ]
            for name, of_one in drained.items()
        },
    )


if __name__ == "__main__":
    main()
