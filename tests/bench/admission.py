"""Admission: `POST /api/v1/jobs` with everything on, beside routes that do a part of it and what people write.

    python -m tests.bench.admission [--rounds 3] [--seconds 2] [--without-fastapi]

Every server is one process with uvloop and httptools, started anew for each turn on an empty Redis.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import orjson
import uvloop

from libs.access.api_key import DEFAULT_SCOPES
from libs.access.api_keys import create_api_key
from libs.access.users import create_user
from libs.store.client import Store
from libs.store.keyspace import Keyspace
from tests.bench.figures import median, print_table, ratio, spread
from tests.bench.lineup import python_with
from tests.bench.processes import cpu_s, run, spawned
from tests.bench.redis import fresh_redis
from tests.bench.worker import settings
from tests.servers import RedisServer, S3Server, s3_server

__all__ = ["main"]

KEYS = Keyspace.with_prefix("arqade")
_START_S = 20.0
_FASTAPI = ("fastapi", "slowapi", "arq", "redis[hiredis]", "uvicorn[standard]")

#: What workers publish of a backend, in small.
_CATALOGUE = {
    "models": ["painter.safetensors"],
    "samplers": ["euler", "euler_ancestral"],
    "schedulers": ["normal"],
    "nodes": [],
}


@dataclass(frozen=True, slots=True)
class Route:
    """A contestant: a module with an `app`, or none for the real `arqade api`."""

    name: str
    app: str | None
    packages: tuple[str, ...] = ()


ARQADE = Route("Arqade, everything on", None)
ROUTES = (
    ARQADE,
    Route("(i) a Starlette route", "tests.bench.routes.bare:app"),
    Route("(ii) + one EVALSHA by redis-py", "tests.bench.routes.evalsha:app"),
    Route("(iii+) our admission script, pipelined", "tests.bench.routes.script:app"),
    Route("(iv) FastAPI + slowapi + arq", "tests.bench.routes.fastapi_arq:app", _FASTAPI),
)


def press(route: Route, redis: RedisServer, objects: S3Server, seconds: float) -> dict[str, float]:
    """One turn of one contestant: requests a second, latencies, CPU of the server and of Redis a request."""
    redis.flush()
    api_key = uvloop.run(_prepare(redis, settings(redis, objects)["API_KEY_PEPPER"].encode()))
    with _serving(route, redis, objects) as (port, pid):
        before = cpu_s(redis.child.pid)
        said = run("tests.bench.load", str(port), str(seconds), str(pid), environment={"BENCH_API_KEY": api_key})
        figures: dict[str, float] = json.loads(said)
        figures["redis_cpu_s"] = cpu_s(redis.child.pid) - before
        return figures


async def _prepare(redis: RedisServer, pepper: bytes) -> str:
    """A user of the plan `internal` with a daily quota that is counted, a key, and a backend's catalogue."""
    store = await Store.open(redis.url, KEYS)
    limits = {"units_per_day": 10_000_000, "queued_max": 1_000_000}
    user = await create_user(store, "bench@example.org", "internal", limits)
    _, secret = await create_api_key(
        store, pepper, user_id=user.id, name="bench", scopes=DEFAULT_SCOPES, lives_s=86_400
    )
    await store.call("SET", store.keys.catalogue + "comfyui", orjson.dumps(_CATALOGUE))
    await store.close()
    return secret


@contextmanager
def _serving(route: Route, redis: RedisServer, objects: S3Server) -> Iterator[tuple[int, int]]:
    """The contestant's process, once it listens: its port and its id."""
    port = _free_port()
    module, arguments, environment = _command(route, port, redis, objects)
    python = python_with("fastapi", route.packages) if route.packages else sys.executable
    with spawned(module, *arguments, environment=environment, python=python) as process:
        _wait_until_listening(port)
        yield port, process.pid


def _command(
    route: Route, port: int, redis: RedisServer, objects: S3Server
) -> tuple[str, tuple[str, ...], Mapping[str, str]]:
    if route.app is None:
        more = {"PORT": str(port), "FLEET_CEILING_PER_MINUTE": "100000000"}
        return "apps.cli.main", ("api",), settings(redis, objects) | more
    options = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error")
    return "uvicorn", (route.app, "--port", str(port), *options), {"BENCH_REDIS_URL": redis.url}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_until_listening(port: int) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--without-fastapi", action="store_true")
    wanted = parser.parse_args(arguments)
    routes = [route for route in ROUTES if not (route.packages and wanted.without_fastapi)]
    turns: dict[str, list[dict[str, float]]] = defaultdict(list)
    with fresh_redis() as (redis, folder), s3_server(folder) as objects:
        for _ in range(wanted.rounds):
            for route in routes:
                turns[route.name].append(press(route, redis, objects, wanted.seconds))
    _print(turns)


def _print(turns: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    def column(name: str, figure: str) -> list[float]:
        return [turn[figure] for turn in turns[name]]

    ours = column(ARQADE.name, "per_s")
    our_cpu = column(ARQADE.name, "cpu_ms")
    print_table(
        "POST /api/v1/jobs, one server process, 64 connections",
        ["requests/s", "p50 ms", "p99 ms", "server CPU ms/request", "Arqade's requests/s to it", "by CPU"],
        {
            name: [
                spread(column(name, "per_s")),
                *(median(column(name, figure)) for figure in ("p50_ms", "p99_ms", "cpu_ms")),
                ratio(ours, column(name, "per_s")),
                ratio(column(name, "cpu_ms"), our_cpu),
            ]
            for name in turns
        },
    )


if __name__ == "__main__":
    main()
