"""F16: bodies of every size and kind of nonsense, at an API that anybody may send them to."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from tests.fakes.api import bearer
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES
from tests.faults.history import JOBS
from tests.faults.size import SIZE
from tests.faults.yard import Yard

AT_ONCE = 8
GROWTH_BYTES_MAX = 50 * 1024 * 1024
MEGABYTE = 1024 * 1024
JSON = {"Content-Type": "application/json"}
PACKED = JSON | {"Content-Encoding": "gzip"}

Sent = tuple[dict[str, str], bytes | int]


def bodies() -> list[Sent]:
    """Headers and a body, or how many bytes of one are sent in chunks without telling how many."""
    deep, wide = 10_000, 600_000
    said = [
        b"",
        b"\0" * 1_000,
        b"[" * deep,
        b'{"a":' * deep + b"1" + b"}" * deep,
        b"[" + b"0," * wide + b"0]",
        b'{"kind":"noop","input":{"n":1},"kind":"sleep"}',
        b'{"kind":"noop","input":{"n":1,"n":2}}',
        b'{"kind":"noop","input":{"n":"\\u0000"}}',
        b'{"kind":"no\\u0000op","input":{}}',
        b'{"kind":"noop","input":{"n":NaN}}',
        b'{"kind":"noop","input":{"n":1e999}}',
        b'{"kind":"noop","input":{"n":' + b"9" * 100_000 + b"}}",
        b'{"kind":"noop","input":{"\\ud800":1}}',
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b'"' + b"x" * (9 * MEGABYTE) + b'"',
    ]
    sizes = [MEGABYTE, 10 * MEGABYTE + 1, 50 * MEGABYTE]
    return [
        *[(JSON, body) for body in said],
        *[(PACKED, gzip.compress(b"\0" * size)) for size in sizes],
        *[(JSON, b" " * size) for size in sizes],
        *[(JSON, size) for size in sizes],
        ({}, b"{}"),
        ({"Content-Type": "text/plain"}, b"{}"),
        ({"Content-Type": "application/json; charset=utf-16"}, '{"kind":"noop"}'.encode("utf-16")),
    ]


async def test_bodies_are_refused_by_4xx_alone_and_memory_stays(open_yard: OpenYard) -> None:
    async with open_yard() as yard:
        client = await yard.client()
        assert (await client.submit("noop")).status == 202
        await send_all(yard, client.secret)  # what the first of each kind takes is kept by the allocator
        before = resident(yard)
        statuses: Counter[int | None] = Counter()
        for _ in range(SIZE.body_rounds):
            statuses += await send_all(yard, client.secret)
        grown = resident(yard) - before
        jobs = (await client.call("GET", JOBS)).body["data"]

    assert len(jobs) == 1
    assert all(status is None or 400 <= status < 500 for status in statuses), statuses
    # Past 32 MiB the API reads no further, and who goes on sending may be cut off before they read why.
    assert statuses[None] <= 2 * SIZE.body_rounds, statuses
    assert grown < GROWTH_BYTES_MAX
    FIGURES.note("F16", "bodies, cut off past 32 MiB", f"{statuses.total()}, {statuses[None]}")
    FIGURES.note("F16", "memory of the API grew by, MB", round(grown / MEGABYTE, 1))


async def send_all(yard: Yard, secret: str) -> Counter[int | None]:
    """The status of each answer; None where the connection broke first."""
    left, statuses = iter(bodies()), Counter[int | None]()

    async def send_some() -> None:
        for headers, body in left:
            statuses[await send(yard.http, headers | bearer(secret), body)] += 1

    await asyncio.gather(*[send_some() for _ in range(AT_ONCE)])
    return statuses


async def send(http: httpx.AsyncClient, headers: dict[str, str], body: bytes | int) -> int | None:
    content = body if isinstance(body, bytes) else chunks(body)
    try:
        answer = await http.post(JOBS, content=content, headers=headers, timeout=60)
    except httpx.TransportError:
        return None
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // MEGABYTE):
        yield b" " * MEGABYTE
    yield b"{"


def resident(yard: Yard) -> int:
    process = yard.site.api.process
    assert process is not None
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
