"""Pick-up: from the call that submits a job to the first line of its handler, in an idle worker, one job at a time.

python -m tests.bench.pick_up [--jobs 150] [--rounds 3] [--peers]
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tests.bench.figures import median, percentile, print_table, ratio
from tests.bench.lineup import ARQ_STOCK, ARQADE, Contestant, lineup
from tests.bench.processes import spawned
from tests.bench.redis import fresh_redis
from tests.bench.witness import ADDRESS
from tests.servers import RedisServer

__all__ = ["main", "pick_up"]

_START_S = 10.0


def pick_up(server: RedisServer, folder: Path, who: Contestant, jobs: int) -> list[float]:
    """Each job's ms. The client listens for the handlers itself, so it is started first."""
    server.flush()
    path = folder / "witness"
    environment = {**who.environment, ADDRESS: str(path), "BENCH_REDIS_URL": server.url}
    with spawned(who.module, "pick-up", str(jobs), environment=environment, python=who.python) as client:
        deadline = time.monotonic() + _START_S
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        with spawned(who.module, "work", environment=environment, python=who.python):
            said, _ = client.communicate()
    return [span_ns / 1e6 for span_ns in json.loads(said)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", action="store_true")
    wanted = parser.parse_args(arguments)
    spans: dict[str, list[list[float]]] = defaultdict(list)
    with fresh_redis() as (server, folder):
        for _ in range(wanted.rounds):
            for who in lineup(peers=wanted.peers):
                jobs = wanted.jobs if who is not ARQ_STOCK else 12
                spans[who.name].append(pick_up(server, folder, who, jobs))
    middle = {name: [median(of_round) for of_round in rounds] for name, rounds in spans.items()}
    print_table(
        "Pick-up by an idle worker",
        ["p50 ms", "p99 ms", "jobs", "Arqade's p50 to it"],
        {
            name: [
                median(middle[name]),
                median([percentile(of_round, 0.99) for of_round in rounds]),
                sum(map(len, rounds)),
                ratio(middle[ARQADE.name], middle[name]),
            ]
            for name, rounds in spans.items()
        },
    )


if __name__ == "__main__":
    main()
