"""F24: greedy clients of every kind at once, beside good traffic that must not notice."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx

from libs.access.api_key import DEFAULT_SCOPES
from tests.fakes.api import Api as Minting
from tests.fakes.api import bearer
from tests.faults.api import PATIENCE
from tests.faults.api_process import ApiProcess, api_process
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES, percentile
from tests.faults.greedy import GREEDY, Order, pdf_of
from tests.faults.history import JOBS
from tests.faults.site import Site, environment
from tests.faults.size import SIZE
from tests.faults.yard import Yard
from tests.servers import RedisServer, S3Server

MEGABYTE = 1024 * 1024
API_BYTES_MAX = 300 * MEGABYTE
REDIS_GROWTH_BYTES_MAX = 50 * MEGABYTE
PING_S_MAX = 0.25
SLOWER_MAX = 2
_ROOT = Path(__file__).parents[2]


async def test_greedy_clients_are_told_why_and_nobody_else_notices(
    open_yard: OpenYard, whole_site: Site, tmp_path: Path, s3: S3Server
) -> None:
    told = environment(whole_site.redis, s3, whole_site.backend, rate_limit_enabled=True, ocr_enabled=True)
    if SIZE.patience_s is not None:
        told[PATIENCE] = str(SIZE.patience_s)
    async with open_yard() as yard:
        with api_process(tmp_path, told) as api:
            await watch(yard, api, whole_site.redis)


async def watch(yard: Yard, api: ApiProcess, redis: RedisServer) -> None:
    good = await Minting(yard.resources, yard.http).key("internal", DEFAULT_SCOPES)
    orders = await prepared(yard, api)
    async with httpx.AsyncClient(base_url=api.url, headers=bearer(good), timeout=60) as http:
        await measured(http, 0.5)
        alone_s, ping_alone_s = await measured(http, SIZE.greedy_s / 2)
        forget_peak(api)
        memory, before, busy_s = peak(api), used(redis), processor_s(api)
        async with greedy(orders) as told:
            during_s, ping_s = await measured(http, SIZE.greedy_s)
        busy_s = processor_s(api) - busy_s
        heard = json.loads(await told)
        counted = (await http.get("/metrics")).text

    highest, grown = peak(api), used(redis) - before
    assert highest < API_BYTES_MAX
    assert grown < REDIS_GROWTH_BYTES_MAX
    for name, one in GREEDY.items():
        assert one.told & heard[name].keys(), f"{name} heard {heard[name]}"
    assert not re.search(r'arqade_http_requests_total\{.*status="50[0124]"', counted), counted
    slower = percentile(during_s, 99) / percentile(alone_s, 99)
    FIGURES.note("F24", "greedy clients, seconds", f"{len(GREEDY)}, {SIZE.greedy_s:g}")
    for name, codes in heard.items():
        FIGURES.note("F24", f"  {name} were told", ", ".join(f"{n} {code}" for code, n in sorted(codes.items())))
    FIGURES.note("F24", "good requests, meanwhile", len(during_s))
    FIGURES.note("F24", "p99 of theirs, alone / meanwhile, ms",
                 f"{percentile(alone_s, 99) * 1000:.1f} / {percentile(during_s, 99) * 1000:.1f}")  # fmt: skip
    FIGURES.note("F24", "p99 of /ping, alone / meanwhile, ms",
                 f"{percentile(ping_alone_s, 99) * 1000:.1f} / {percentile(ping_s, 99) * 1000:.1f}")  # fmt: skip
    FIGURES.note("F24", "processor of the API, seconds", round(busy_s, 1))
    FIGURES.note("F24", "memory of the API before / at most, MB",
                 f"{memory / MEGABYTE:.0f} / {highest / MEGABYTE:.0f}")  # fmt: skip
    FIGURES.note("F24", "Redis grew by, MB", round(grown / MEGABYTE, 1))
    if SIZE.timed:
        assert percentile(ping_s, 99) < PING_S_MAX
        assert slower < SLOWER_MAX


async def prepared(yard: Yard, api: ApiProcess) -> dict[str, Order]:
    """A user of the smallest plan for each of them, and what lies in the object store before it begins."""
    url = httpx.URL(api.url)
    orders = {}
    for name in GREEDY:
        secret = await Minting(yard.resources, yard.http).key("free", DEFAULT_SCOPES)
        async with httpx.AsyncClient(base_url=api.url, headers=bearer(secret), timeout=60) as http:
            upload = file = ""
            if name == "completions":
                upload = await put(http, "large.pdf", "application/pdf", pdf_of(int(SIZE.greedy_mb * 11 * MEGABYTE)))
            if name == "long files":
                file = await put(http, "many.jsonl", "application/jsonl", b'{"n":1}\n' * 50_000)
                assert (await http.post(f"/api/v1/uploads/{file}/complete")).status_code == 200
        orders[name] = Order(url.host, url.port or 80, secret, SIZE.greedy_at_once, SIZE.greedy_mb, upload, file)
    return orders


async def put(http: httpx.AsyncClient, filename: str, content_type: str, data: bytes) -> str:
    wanted = {"filename": filename, "content_type": content_type, "size_bytes": len(data)}
    told = (await http.post("/api/v1/uploads", json=wanted)).json()
    async with httpx.AsyncClient(timeout=60) as bare:
        answer = await bare.put(told["url"], content=data, headers=told.get("headers", {}))
    assert answer.status_code == 200, answer.text
    return str(told["id"])


@asynccontextmanager
async def greedy(orders: Mapping[str, Order]) -> AsyncIterator[asyncio.Future[bytes]]:
    """They go at it during the block; what they were told comes a little after it."""
    wanted = {"orders": {name: asdict(order) for name, order in orders.items()}, "lasts_s": SIZE.greedy_s}
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "tests.faults.greedy"],
        cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    heard = asyncio.ensure_future(_heard(process, json.dumps(wanted).encode()))
    try:
        yield heard
        async with asyncio.timeout(SIZE.within_s):
            await asyncio.shield(heard)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _heard(process: asyncio.subprocess.Process, said: bytes) -> bytes:
    told, _ = await process.communicate(said)
    return told


async def measured(http: httpx.AsyncClient, lasts_s: float) -> tuple[list[float], list[float]]:
    """How long good requests take, submissions and lists in turn, and beside them `/ping`."""
    until = time.monotonic() + lasts_s
    good, ping = await asyncio.gather(repeated(http, until, orderly), repeated(http, until, alive))
    return good, ping


async def repeated(http: httpx.AsyncClient, until: float, act: Any) -> list[float]:
    took_s: list[float] = []
    while time.monotonic() < until:
        began = time.perf_counter()
        await act(http, len(took_s))
        took_s.append(time.perf_counter() - began)
        await asyncio.sleep(0.01)
    return took_s


async def orderly(http: httpx.AsyncClient, n: int) -> None:
    if n % 2:
        assert (await http.get(f"{JOBS}?limit=1")).status_code == 200
    else:
        answer = await http.post(JOBS, json={"kind": "noop", "input": {"n": n}})
        assert answer.status_code == 202, answer.text


async def alive(http: httpx.AsyncClient, n: int) -> None:
    assert (await http.get("/ping")).status_code == 200


def forget_peak(api: ApiProcess) -> None:
    """From here on the peak is counted anew (proc(5), clear_refs)."""
    assert api.process is not None
    Path(f"/proc/{api.process.pid}/clear_refs").write_text("5")


def peak(api: ApiProcess) -> int:
    assert api.process is not None
    lines = Path(f"/proc/{api.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def processor_s(api: ApiProcess) -> float:
    assert api.process is not None
    fields = Path(f"/proc/{api.process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def used(redis: RedisServer) -> int:
    found = re.search(rb"used_memory:(\d+)", redis.call("INFO", "memory"))
    assert found is not None
    return int(found[1])
