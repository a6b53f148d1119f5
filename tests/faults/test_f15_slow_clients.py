"""F15: clients who send next to nothing, and readers who never read."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import httpx

from libs.access.api_key import DEFAULT_SCOPES
from libs.access.api_keys import create_api_key
from libs.jobs.lifecycle import report
from libs.limits import STREAMS_PER_API_KEY_MAX
from libs.store.client import Store
from tests.fakes.api import PEPPER, bearer
from tests.fakes.hands import start
from tests.faults.api import PATIENCE
from tests.faults.api_process import ApiProcess, api_process
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES, percentile
from tests.faults.history import JOBS
from tests.faults.kinds import QUEUE
from tests.faults.site import Site, environment
from tests.faults.size import SIZE
from tests.faults.yard import Yard
from tests.patience import PATIENCE_S
from tests.servers import S3Server

PREVIEW = {"picture": "x" * 100_000}
GROWTH_BYTES_MAX = 100 * 1024 * 1024
ROUNDS = 200
CLOSED_S_MAX = 20
#: Connections that the API may have opened to Redis meanwhile.
OWN = 3

SLOW_HEADERS = b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nX-Slow: "
SLOW_BODY = (
    b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nX-API-Key: %b\r\nContent-Type: application/json\r\n"
    b"Content-Length: 1000\r\n\r\n{"
)
STREAM = b"GET /api/v1/jobs/%b/events HTTP/1.1\r\nHost: x\r\nX-API-Key: %b\r\n\r\n"
SOCKET = (
    b"GET /ws/jobs/%b HTTP/1.1\r\nHost: x\r\nX-API-Key: %b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def test_slow_clients_are_hung_up_on_and_hinder_nobody(
    open_yard: OpenYard, whole_site: Site, tmp_path: Path, s3: S3Server
) -> None:
    told = environment(whole_site.redis, s3, whole_site.backend, connections_per_address=2_000)
    if SIZE.patience_s is not None:
        told[PATIENCE] = str(SIZE.patience_s)
    async with open_yard() as yard:
        with api_process(tmp_path, told) as api:
            await attack(yard, api)


async def attack(yard: Yard, api: ApiProcess) -> None:
    client = await yard.client()
    job_id = (await client.submit("noop")).body["id"]
    secrets = [await another_key(yard.store, client.user_id) for _ in range(1 + SIZE.slow_readers)]
    async with (
        httpx.AsyncClient(base_url=api.url, headers=bearer(secrets[0]), timeout=PATIENCE_S) as http,
        previews(yard.store),
    ):
        await times(http)
        alone_s, before, memory = await times(http), descriptors(api), resident(api)
        with ExitStack() as opened:
            connect_all(opened, api, job_id, secrets)
            began = time.monotonic()
            await eventually(lambda: descriptors(api) >= before + SIZE.slow_sockets + SIZE.slow_readers)
            during_s = await times(http)
            await eventually(lambda: descriptors(api) <= before + OWN)
            closed_s = time.monotonic() - began
        grown = resident(api) - memory
        assert (await http.get("/health")).status_code == 200

    assert grown < GROWTH_BYTES_MAX
    slower = percentile(during_s, 99) / percentile(alone_s, 99)
    FIGURES.note("F15", "slow senders, readers who never read", f"{SIZE.slow_sockets}, {SIZE.slow_readers}")
    FIGURES.note("F15", "all hung up on after, s", round(closed_s, 1))
    FIGURES.note("F15", "p99 of the others, alone / meanwhile, ms",
                 f"{percentile(alone_s, 99) * 1000:.1f} / {percentile(during_s, 99) * 1000:.1f}")  # fmt: skip
    FIGURES.note("F15", "memory of the API grew by, MB", round(grown / 1024 / 1024, 1))
    if SIZE.timed:
        assert closed_s <= CLOSED_S_MAX
        assert slower < 2


def connect_all(opened: ExitStack, api: ApiProcess, job_id: str, secrets: list[str]) -> None:
    """Half of the slow ones stop in their headers, half in their body; half of the readers are WebSockets."""
    host, port = httpx.URL(api.url).host, httpx.URL(api.url).port or 80

    def say(text: bytes) -> None:
        connection = opened.enter_context(socket.socket())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect((host, port))
        connection.sendall(text)

    for n in range(SIZE.slow_sockets):
        say(SLOW_BODY % secrets[0].encode() if n % 2 else SLOW_HEADERS)
    for n in range(SIZE.slow_readers):
        say((SOCKET if n % 2 else STREAM) % (job_id.encode(), secrets[1 + n // STREAMS_PER_API_KEY_MAX].encode()))


@asynccontextmanager
async def previews(store: Store) -> AsyncIterator[None]:
    """The one job that waits runs, and has a lot to tell."""
    claimed = await start(store, QUEUE)

    async def tell() -> None:
        while True:
            await report(store, claimed.job_id, claimed.fence, event="preview", data=PREVIEW)
            await asyncio.sleep(0.02)

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def times(http: httpx.AsyncClient) -> list[float]:
    """How long each of some good requests takes."""
    took_s = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        assert (await http.get(f"{JOBS}?limit=1")).status_code == 200
        took_s.append(time.perf_counter() - began)
    return took_s


async def another_key(store: Store, user_id: str) -> str:
    _, secret = await create_api_key(
        store, PEPPER.encode(), user_id=user_id, name="slow", scopes=DEFAULT_SCOPES, lives_s=3_600
    )
    return secret


async def eventually(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(SIZE.within_s):
        while not found():
            await asyncio.sleep(0.05)


def descriptors(api: ApiProcess) -> int:
    assert api.process is not None
    return len(list(Path(f"/proc/{api.process.pid}/fd").iterdir()))


def resident(api: ApiProcess) -> int:
    assert api.process is not None
    lines = Path(f"/proc/{api.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
