"""What a worker costs when it has nothing to do, how well it uses its slot, and how long its death goes unnoticed.

python -m tests.bench.worker [--seconds 20] [--deaths 3]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import median, print_table
from tests.bench.lineup import ARQ_BEST, ARQ_STOCK, ARQADE, Contestant
from tests.bench.processes import cpu_s, run, spawned
from tests.bench.redis import fresh_redis, watched_commands
from tests.bench.witness import stand
from tests.servers import RedisServer, S3Server, s3_server

__all__ = ["main"]

_SETTLE_S = 4.0
_START_S = 10.0
_JOB_S = 0.3


def idle(seconds: float) -> dict[str, tuple[float, float]]:
    """CPU %, and commands a second sent to Redis, of workers without jobs, all at once, each on a Redis of its own."""
    pids: dict[str, int] = {}
    servers: dict[str, RedisServer] = {}
    with ExitStack() as running:
        for one in _idlers(running):
            servers[one.name] = one.server
            process = spawned(one.module, *one.arguments, environment=one.environment)
            pids[one.name] = running.enter_context(process).pid
        time.sleep(_SETTLE_S)
        before = {name: cpu_s(pid) for name, pid in pids.items()}
        with ExitStack() as watching:
            commands = {name: watching.enter_context(watched_commands(server)) for name, server in servers.items()}
            time.sleep(seconds)
            after = {name: cpu_s(pid) for name, pid in pids.items()}
    return {
        name: ((after[name] - before[name]) / seconds * 100, counted.sent / seconds)
        for name, counted in commands.items()
    }


@dataclass(frozen=True, slots=True)
class Idler:
    """A worker process without jobs, and its Redis."""

    name: str
    server: RedisServer
    module: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


def _idlers(stack: ExitStack) -> list[Idler]:
    """Ours is the real `arqade worker`, with its sweep, its leases and its list of workers."""
    found = []
    for who in (ARQ_STOCK, ARQ_BEST):
        server, folder = stack.enter_context(fresh_redis())
        watched = stack.enter_context(stand(folder / "witness"))
        found.append(Idler(who.name, server, who.module, ("work",), _environment(who, server, watched.environment)))
    server, folder = stack.enter_context(fresh_redis())
    objects = stack.enter_context(s3_server(folder))
    ours = ("worker", "--queues", "gpu,cpu")
    found.append(Idler(ARQADE.name, server, "apps.cli.main", ours, settings(server, objects)))
    return found


def settings(server: RedisServer, objects: S3Server) -> dict[str, str]:
    """The environment of a real Arqade process."""
    return {
        "ENVIRONMENT": "development",
        "LOG_LEVEL": "WARNING",
        "REDIS_URL": server.url,
        "MINIO_ENDPOINT": objects.endpoint,
        "MINIO_ACCESS_KEY": objects.access_key,
        "MINIO_SECRET_KEY": objects.secret_key,
        "MINIO_BUCKET": objects.bucket,
        "API_KEY_PEPPER": "0123456789abcdef" * 4,
        "OCR_ENABLED": "false",
    }


def slot_use(server: RedisServer, folder: Path, who: Contestant, jobs: int = 12) -> float:
    """The share of time (%) in which the one slot of a worker held a job of 0.3 s while jobs waited."""
    server.flush()
    with stand(folder / "witness") as watched:
        more = {**watched.environment, "BENCH_SLOTS": "1", "BENCH_SLEEP_S": str(_JOB_S)}
        environment = _environment(who, server, more)
        run(who.module, "submit", str(jobs), environment=environment)
        with spawned(who.module, "work", environment=environment):
            first, *_, last = [watched.wait(_START_S) for _ in range(jobs)]
    return _JOB_S * (jobs - 1) / (last.at_ns - first.at_ns) * 1e11


def death(server: RedisServer, folder: Path) -> float:
    """Seconds from kill -9 of a worker with a job to the first line of that job's handler in another worker."""
    server.flush()
    with stand(folder / "witness") as watched:
        environment = _environment(ARQADE, server, {**watched.environment, "BENCH_SLEEP_S": "60"})
        with (
            spawned(ARQADE.module, "work", environment=environment) as one,
            spawned(ARQADE.module, "work", environment=environment) as other,
        ):
            time.sleep(_SETTLE_S)  # both are at work, in no step with each other
            run(ARQADE.module, "submit", "1", environment=environment)
            owner = one if watched.wait(_START_S).pid == one.pid else other
            time.sleep(1.3)
            killed_at_ns = time.monotonic_ns()
            owner.kill()
            return (watched.wait(_START_S).at_ns - killed_at_ns) / 1e9


def _environment(who: Contestant, server: RedisServer, more: Mapping[str, str]) -> dict[str, str]:
    return {**who.environment, "BENCH_REDIS_URL": server.url, **more}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--deaths", type=int, default=3)
    wanted = parser.parse_args(arguments)
    idled = idle(wanted.seconds)
    with fresh_redis() as (server, folder):
        used = {who.name: slot_use(server, folder, who) for who in (ARQADE, ARQ_STOCK, ARQ_BEST)}
        deaths = [death(server, folder) for _ in range(wanted.deaths)]
    print_table(
        "A worker at rest, and one slot with jobs of 0.3 s",
        ["idle CPU %", "idle commands/s", "slot use %"],
        {name: [*idled[name], used[name]] for name in used},
    )
    print_table(
        "kill -9 of a worker, until its job runs elsewhere (default lease)",
        ["median s", "longest s"],
        {ARQADE.name: [median(deaths), max(deaths)]},
    )


if __name__ == "__main__":
    main()
