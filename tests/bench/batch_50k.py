"""Batches of 10 to 50,000 items of a kind that does nothing: memory, others' admission, the first start, the end.

::

    python -m tests.bench.batch_50k [items …]

A new API and a new worker for each size, so that what a size takes in memory is seen by itself. Another user submits a
job every 20 ms meanwhile, and for ten seconds before. Memory is the most that a process ever had resident (VmHWM).
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from apps.resources import Resources, open_resources
from libs.access.api_key import DEFAULT_SCOPES
from tests.bench.figures import percentile, print_table
from tests.bench.processes import spawned
from tests.fakes.api import Api, bearer, settings_for, values_for
from tests.servers import RedisServer, S3Server, redis_server, s3_server

_ITEMS = (10, 500, 1_000, 50_000)
_PORT = 18_411
_LOOK_S = 0.2
_ALONE_S = 10.0


@dataclass
class Figures:
    """What one size showed. Times are in seconds from when the request was sent."""

    accepted_s: float = 0.0
    first_start_s: float = 0.0
    over_s: float = 0.0
    api_mb: float = 0.0
    worker_mb: float = 0.0
    redis_keys_most: int = 0
    before_ms: tuple[float, ...] = ()
    checking_ms: tuple[float, ...] = ()
    others_ms: tuple[float, ...] = ()

    def row(self) -> list[object]:
        p50, *p99 = (
            percentile(self.others_ms, 0.5),
            percentile(self.others_ms, 0.99),
            percentile(self.checking_ms, 0.99),
            percentile(self.before_ms, 0.99),
        )
        return [
            self.accepted_s,
            self.first_start_s,
            self.over_s,
            p50,
            *p99,
            self.api_mb,
            self.worker_mb,
            self.redis_keys_most,
        ]


COLUMNS = (
    "accepted s",
    "first start s",
    "over s",
    "others' admission p50 ms",
    "p99 ms",
    "p99 ms until accepted",
    "p99 ms without the batch",
    "API MB",
    "worker MB",
    "most unfinished jobs in Redis",
)


def memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def lines(count: int) -> bytes:
    items = (
        {"url": f"https://example.com/pictures/{n}.jpg", "words": "a picture of a shoe " * 3} for n in range(count)
    )
    return b"".join(orjson.dumps(item) + b"\n" for item in items)


@asynccontextmanager
async def opened(redis: RedisServer, s3: S3Server) -> AsyncIterator[Resources]:
    resources = await open_resources(settings_for(redis.url, s3))
    try:
        yield resources
    finally:
        await resources.close()


async def measure(redis: RedisServer, s3: S3Server, count: int, *, in_body: bool) -> Figures:
    """One size, on processes of its own."""
    told = values_for(redis.url, s3) | {"port": _PORT, "worker_queues": "net", "ocr_enabled": False}
    told |= {"arq_worker_concurrency": 20, "log_level": "WARNING", "upload_bytes_max": 100_000_000}
    environment = {name.upper(): str(value) for name, value in told.items()}
    redis.flush()
    async with opened(redis, s3) as resources, httpx.AsyncClient(timeout=60) as http:
        with ExitStack() as stack:
            api = stack.enter_context(spawned("tests.bench.batch_kinds", "api", environment=environment))
            worker = stack.enter_context(spawned("tests.bench.batch_kinds", "worker", environment=environment))
            http.base_url = httpx.URL(f"http://127.0.0.1:{_PORT}")
            await ready(http, resources)
            minting = Api(resources, http)
            headers, others = [bearer(await minting.key("internal", DEFAULT_SCOPES)) for _ in range(2)]
            found = await _run(http, resources, headers, others, count, in_body=in_body)
            found.api_mb, found.worker_mb = memory_mb(api.pid), memory_mb(worker.pid)
            return found


async def ready(http: httpx.AsyncClient, resources: Resources) -> None:
    async with asyncio.timeout(30):
        while True:
            with suppress(httpx.TransportError):
                if (await http.get("/ready")).status_code == 200:
                    break
            await asyncio.sleep(0.1)
        while not await resources.store.call("ZCARD", resources.store.keys.workers):
            await asyncio.sleep(0.1)


async def _run(
    http: httpx.AsyncClient,
    resources: Resources,
    headers: dict[str, str],
    others: dict[str, str],
    count: int,
    *,
    in_body: bool,
) -> Figures:
    found = Figures()
    body: dict[str, Any] = {"kind": "nothing"}
    if in_body:
        body["items"] = [json.loads(line) for line in lines(count).splitlines()]
    else:
        body["input_file"] = await upload(http, headers, lines(count))
    content = orjson.dumps(body)
    spans: list[float] = []
    alone = asyncio.create_task(submit_beside(http, others, spans))
    await asyncio.sleep(_ALONE_S)
    alone.cancel()
    await asyncio.gather(alone, return_exceptions=True)
    found.before_ms = tuple(span * 1000 for span in spans)
    spans.clear()
    beside = asyncio.create_task(submit_beside(http, others, spans))
    began = time.monotonic()
    said = headers | {"Content-Type": "application/json"}
    batch = (await http.post("/api/v1/batches", content=content, headers=said)).raise_for_status().json()
    found.accepted_s = time.monotonic() - began
    found.checking_ms = tuple(span * 1000 for span in spans)
    while batch["status"] == "running":
        batch = (await http.get(batch["links"]["self"], headers=headers)).raise_for_status().json()
        if not found.first_start_s and batch["counts"]["queued"] < count:
            found.first_start_s = time.monotonic() - began
        size = await resources.store.call("ZCARD", resources.store.keys.zset_of("net"))
        found.redis_keys_most = max(found.redis_keys_most, size)
        await asyncio.sleep(_LOOK_S if found.first_start_s else 0.02)
    found.over_s = time.monotonic() - began
    beside.cancel()
    await asyncio.gather(beside, return_exceptions=True)
    assert batch["counts"]["succeeded"] == count, batch
    results = (await http.get(batch["results"]["url"])).content.splitlines()
    assert [orjson.loads(line)["index"] for line in results] == list(range(count))
    found.others_ms = tuple(span * 1000 for span in spans)
    return found


async def upload(http: httpx.AsyncClient, headers: Mapping[str, str], text: bytes) -> str:
    """A completed upload of JSON lines."""
    file = {"filename": "items.jsonl", "content_type": "application/jsonl", "size_bytes": len(text)}
    made = (await http.post("/api/v1/uploads", json=file, headers=dict(headers))).raise_for_status().json()
    (await http.put(made["url"], content=text)).raise_for_status()
    (await http.post(made["links"]["complete"], headers=dict(headers))).raise_for_status()
    return str(made["id"])


async def submit_beside(
    http: httpx.AsyncClient, headers: Mapping[str, str], spans: list[float], *, every_s: float = 0.02
) -> None:
    """Submit jobs for ever; how long each took, in seconds."""
    while True:
        began = time.monotonic()
        answer = await http.post("/api/v1/jobs", json={"kind": "nothing", "input": {}}, headers=dict(headers))
        assert answer.status_code == 202, answer.text
        spans.append(time.monotonic() - began)
        await asyncio.sleep(every_s)


async def main(sizes: tuple[int, ...]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder) / name for name in ("redis", "s3")]
        for place in places:
            place.mkdir()
        with redis_server(places[0]) as redis, s3_server(places[1]) as s3:
            rows = {}
            for count in sizes:
                for in_body in (False, True):
                    name = f"{count:,} in {'the body' if in_body else 'a file'}"
                    rows[name] = (await measure(redis, s3, count, in_body=in_body)).row()
                    print_table(name, COLUMNS, {name: rows[name]})
            print_table("Batches of a kind that does nothing", COLUMNS, rows)


if __name__ == "__main__":
    asyncio.run(main(tuple(map(int, sys.argv[1:])) or _ITEMS))
