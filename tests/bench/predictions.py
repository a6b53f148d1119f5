"""Jobs of `optimize` on workers that are killed all the time: is any prediction made twice?

    python -m tests.bench.predictions [--jobs 150] [--workers 3] [--kill-every 1.25] [--speed 20]

Everything is real but the provider, whose clock runs `speed` times as fast. Half of the jobs have an address in their
input, the others are told apart by it as a whole. Workers are killed (SIGKILL) until all predictions are made.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from apps.api.main import build
from apps.resources import open_resources
from tests.bench.figures import print_table
from tests.fakes.api import Api, bearer, settings_for
from tests.fakes.prediction_provider import PredictionProvider, prediction_provider
from tests.fakes.workers import WorkerProcess, worker_process
from tests.servers import redis_server, s3_server

__all__ = ["main"]


def order(number: int) -> dict[str, Any]:
    if number % 2:
        return {"image_url": f"https://pictures.example.com/{number}.png"}
    return {"prompt": f"picture {number}"}


def made_twice(provider: PredictionProvider) -> int:
    """How many orders were made more than once."""
    inputs = provider.figures()["inputs"]
    orders = Counter((told.get("image", "").partition("#")[0], told.get("prompt")) for told in inputs)
    return sum(count - 1 for count in orders.values())


async def storm(jobs: int, workers: int, kill_every_s: float, speed: float) -> dict[str, Any]:
    """Kill workers while they make and wait for predictions; what came of it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in ("redis", "s3"):
            (folder / name).mkdir()
        redis = stack.enter_context(redis_server(folder / "redis"))
        s3 = stack.enter_context(s3_server(folder / "s3"))
        provider = stack.enter_context(prediction_provider(speed=speed))
        told = provider.settings(worker_queues="net", arq_worker_concurrency=8, lease_s=1)

        def start() -> WorkerProcess:
            return stack.enter_context(worker_process(folder, redis.url, s3, **told))

        resources = await open_resources(settings_for(redis.url, s3, **provider.settings()))
        transport = httpx.ASGITransport(build(resources))
        async with httpx.AsyncClient(transport=transport, base_url="http://arqade.test", timeout=60) as http:
            secret = await Api(resources, http).key("internal")
            ids = [await _submit(http, secret, order(number)) for number in range(jobs)]
            running, kills, began = [start() for _ in range(workers)], 0, time.monotonic()
            while await resources.store.call("ZCARD", resources.store.keys.zset_of("net")):
                await asyncio.sleep(kill_every_s * random.uniform(0.5, 1.5))
                if provider.counts()["created"] < jobs:
                    victim = random.randrange(workers)
                    running[victim].kill()
                    running[victim], kills = start(), kills + 1
            seconds = time.monotonic() - began
            found = [(await http.get(f"/api/v1/jobs/{each}", headers=bearer(secret))).json() for each in ids]
        await resources.close()
        counts = provider.counts()
        return {
            "kills": kills,
            "seconds": round(seconds),
            "succeeded": sum(job["status"] == "succeeded" for job in found),
            "predictions": counts["created"],
            "made twice": made_twice(provider),
            "pages read": counts["listed"],
            "single reads": counts["got"],
            "429": counts["create refused"] + counts["read refused"],
        }


async def _submit(http: httpx.AsyncClient, secret: str, wanted: dict[str, Any]) -> str:
    body = {"kind": "optimize", "input": wanted}
    answer = (await http.post("/api/v1/jobs", json=body, headers=bearer(secret))).raise_for_status()
    return str(answer.json()["id"])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=150)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--kill-every", type=float, default=1.25)
    parser.add_argument("--speed", type=float, default=20)
    wanted = parser.parse_args(arguments)
    found = asyncio.run(storm(wanted.jobs, wanted.workers, wanted.kill_every, wanted.speed))
    print_table(f"{wanted.jobs} jobs, {wanted.workers} workers under fire", list(found), {"": list(found.values())})


if __name__ == "__main__":
    main()
