"""Work that goes on while Redis is broken, and how it is seen that all is well again."""

from __future__ import annotations

import asyncio
import random
import time

from tests.faults.evidence import Evidence
from tests.faults.history import Client
from tests.faults.size import SIZE
from tests.faults.yard import Yard

__all__ = ["LEASE_S", "healthy_again", "produce", "settled", "under_way"]

WORKERS = 2
LEASE_S = 3.0
HEALTHY_WITHIN_S = 3.0 if SIZE.timed else SIZE.within_s


async def under_way(yard: Yard) -> tuple[Client, list[int]]:
    """A user, and workers that work."""
    client = await yard.client(slots=8)
    workers = await yard.fleet.start_many(WORKERS)
    await client.insist("noop", "first")
    await yard.rest()
    return client, [worker.pid for worker in workers]


async def produce(client: Client, producer: int) -> None:
    """Submit until stopped; each under its key until it is accepted."""
    n = 0
    while True:
        await client.insist("render", f"{producer}-{n}", ms=random.randint(10, 200), size=n % 2 * 100)
        n += 1
        await asyncio.sleep(0.02)


async def healthy_again(yard: Yard, client: Client) -> float:
    """Redis answers: how long until a submission is accepted, and /ready says so."""
    began = time.monotonic()
    async with asyncio.timeout(HEALTHY_WITHIN_S):
        while not (await client.submit("noop")).accepted:
            await asyncio.sleep(0.02)
        while (await yard.http.get("/ready")).status_code != 200:
            await asyncio.sleep(0.02)
    return time.monotonic() - began


async def settled(yard: Yard, producing: list[asyncio.Task[None]], pids: list[int]) -> Evidence:
    """Let everything end; the workers are the ones that began."""
    for task in producing:
        task.cancel()
    await asyncio.gather(*producing, return_exceptions=True)
    await yard.rest()
    assert [worker.pid for worker in yard.fleet.alive] == pids
    return await yard.evidence()
