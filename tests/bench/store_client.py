"""What a call to Redis costs: the store beside redis-py, in turns, on one embedded Valkey.

    python tests/bench/store_client.py [--calls 20000] [--rounds 5] [--uvloop]

Medians over the rounds. CPU is that of this process, all its threads; 64 coroutines call one after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import redis.asyncio
import uvloop

sys.path.insert(0, str(Path(__file__).parents[2]))

from libs.store.client import Store
from libs.store.keyspace import Keyspace
from libs.store.script import Script
from tests.integration.libs.store.redis_process import running

COROUTINES = 64
KEYS = Keyspace.with_prefix("bench")
ECHO = Script("echo", "return ARGV[1]")

Call = Callable[[], Awaitable[Any]]


async def measure(call: Call, calls: int) -> tuple[float, float]:
    """Calls a second, and µs of CPU a call."""

    async def caller() -> None:
        for _ in range(calls // COROUTINES):
            await call()

    await asyncio.gather(*[call() for _ in range(COROUTINES)])
    began, began_cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*[caller() for _ in range(COROUTINES)])
    made = calls // COROUTINES * COROUTINES
    return made / (time.perf_counter() - began), (time.process_time() - began_cpu) / made * 1e6


async def compare(url: str, calls: int, rounds: int) -> None:
    store = await Store.open(url, KEYS)
    peer = redis.asyncio.Redis.from_url(url, max_connections=2 * COROUTINES)
    await store.run(ECHO, (), ("loaded",))
    await store.call("SET", "key", "value")
    digest = ECHO.digest(KEYS)
    contestants: dict[str, Call] = {
        "store     GET": lambda: store.call("GET", "key"),
        "redis-py  GET": lambda: peer.get("key"),
        "store     EVALSHA": lambda: store.run(ECHO, (), ("value",)),
        "redis-py  EVALSHA": lambda: peer.evalsha(digest, 0, "value"),  # type: ignore[no-any-return, unused-ignore]
    }
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, call in contestants.items():
            figures[name].append(await measure(call, calls))
    print(f"{'':20}{'calls/s':>10}{'CPU µs/call':>14}")
    for name, measured in figures.items():
        rate, cpu_us = (statistics.median(column) for column in zip(*measured, strict=True))
        print(f"{name:20}{rate:10,.0f}{cpu_us:14.1f}")
    await store.close()
    await peer.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--uvloop", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running("valkey", Path(folder)) as server:
        run = uvloop.run if wanted.uvloop else asyncio.run
        run(compare(server.url, wanted.calls, wanted.rounds))


if __name__ == "__main__":
    main()
