"""A batch of `optimize` at a provider that takes 450 creations a minute and 60 s for each, on a clock that runs faster.

::

    python -m tests.bench.batch_optimize [items] [speed] [workers]

Everything is real but the provider: an API, workers, Redis with its log, an object store. Another user submits a job
every 50 ms meanwhile. The plan's ten slots, and the workers', are multiplied as the clock is. Minutes are those of the
provider's clock.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import orjson

from libs.access.api_key import DEFAULT_SCOPES
from tests.bench.batch_50k import memory_mb, opened, ready, submit_beside, upload
from tests.bench.figures import percentile, print_table
from tests.bench.processes import spawned
from tests.fakes.api import Api, bearer, values_for
from tests.fakes.prediction_provider import PredictionProvider, prediction_provider
from tests.servers import redis_server, s3_server

_LIMIT, _PREDICT_S = 450, 60.0
_LOOK_S = 0.5
_PORT = 18_412


def lines(count: int) -> bytes:
    items = ({"prompt": f"a shoe, number {n}", "parameters": {"behaviour": "text"}} for n in range(count))
    return b"".join(orjson.dumps(item) + b"\n" for item in items)


def use_of(arrivals: list[float], speed: float) -> tuple[float, float]:
    """Share of the limit that was used from the first creation to the last, and the minutes that this took."""
    minutes = (arrivals[-1] - arrivals[0]) / 60 * speed
    return (len(arrivals) - 1) / (minutes * _LIMIT), minutes


async def measure(count: int, speed: float, workers: int) -> Mapping[str, Any]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in ("redis", "s3"):
            (folder / name).mkdir()
        redis = stack.enter_context(redis_server(folder / "redis"))
        s3 = stack.enter_context(s3_server(folder / "s3"))
        provider = stack.enter_context(prediction_provider(speed=speed, predict_s=_PREDICT_S, limit=_LIMIT))
        told = values_for(redis.url, s3) | provider.settings(port=_PORT, worker_queues="net", log_level="WARNING")
        told |= {"arq_worker_concurrency": round(10 * speed), "ocr_enabled": False}
        environment = {name.upper(): str(value) for name, value in told.items()}
        api = stack.enter_context(spawned("tests.bench.batch_kinds", "api", environment=environment))
        pids = [
            stack.enter_context(spawned("tests.bench.batch_kinds", "worker", environment=environment)).pid
            for _ in range(workers)
        ]
        async with opened(redis, s3) as resources, httpx.AsyncClient(timeout=60) as http:
            http.base_url = httpx.URL(f"http://127.0.0.1:{_PORT}")
            await ready(http, resources)
            minting = Api(resources, http)
            # A slot is held for as long as ever, while everything else is quicker: so there are more of them.
            mine, others = [
                bearer(await minting.key("internal", DEFAULT_SCOPES, slots=round(10 * speed))) for _ in range(2)
            ]
            found = await _run(http, provider, mine, others, count)
        return found | {"API MB": memory_mb(api.pid), "worker MB": max(map(memory_mb, pids))}


async def _run(
    http: httpx.AsyncClient,
    provider: PredictionProvider,
    mine: Mapping[str, str],
    others: Mapping[str, str],
    count: int,
) -> dict[str, Any]:
    body = {"kind": "optimize", "input_file": await upload(http, mine, lines(count))}
    spans: list[float] = []
    beside = asyncio.create_task(submit_beside(http, others, spans, every_s=0.05))
    began = time.monotonic()
    batch = (await http.post("/api/v1/batches", json=body, headers=dict(mine))).raise_for_status().json()
    accepted_s = time.monotonic() - began
    while batch["status"] == "running":
        await asyncio.sleep(_LOOK_S)
        batch = (await http.get(batch["links"]["self"], headers=dict(mine))).raise_for_status().json()
        print(f"\r{time.monotonic() - began:6.0f} s {batch['counts']}", end="", file=sys.stderr)
    over_s = time.monotonic() - began
    beside.cancel()
    await asyncio.gather(beside, return_exceptions=True)
    figures = provider.figures()
    arrivals = sorted(at for at, _admitted in figures["arrivals"]["create"])
    used, minutes = use_of(arrivals, provider.speed)
    return {
        "over, min": over_s / 60 * provider.speed,
        "creations took, min": minutes,
        "of the limit used, %": used * 100,
        "creations": figures["counts"].get("created", 0),
        "refused with 429": figures["counts"].get("create refused", 0) + figures["counts"].get("read refused", 0),
        "reads": figures["counts"].get("listed", 0) + figures["counts"].get("got", 0),
        "succeeded": batch["counts"]["succeeded"],
        "accepted, real s": accepted_s,
        "first creation, real s": arrivals[0] - began,
        "others' admission p50, ms": percentile(spans, 0.5) * 1000,
        "p99, ms": percentile(spans, 0.99) * 1000,
    }


def main() -> None:
    count, speed, workers = [*map(float, sys.argv[1:]), *(1_000.0, 4.0, 2.0)[len(sys.argv) - 1 :]]
    found = asyncio.run(measure(int(count), speed, int(workers)))
    print_table(f"{count:,.0f} items, {speed:g} times as fast", list(found), {"": list(found.values())})


if __name__ == "__main__":
    main()
