"""Eight processes and one breaker; and a breaker in front of a real server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from libs.backends.breaker import Breaker
from libs.backends.transport import Transport
from libs.embedded.process import tied_to_us
from libs.errors import Unavailable
from libs.store.client import Store
from tests.fakes.prober import RULE
from tests.fakes.strict_upstream import StrictUpstream, strict_upstream
from tests.integration.libs.backends.breaker.conftest import MakeBreaker, call, fail
from tests.servers import RedisServer

ROOT = Path(__file__).parents[5]
FAILURES = 25


@contextmanager
def probers(redis_url: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    command = tied_to_us([sys.executable, "-m", "tests.fakes.prober", str(FAILURES)])
    environment = {"PYTHONPATH": str(ROOT), "REDIS_URL": redis_url}
    processes = [subprocess.Popen(command, cwd=ROOT, env=environment) for _ in range(8)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


async def test_of_eight_processes_one_probes_at_a_time_until_three_successes_close_it(
    valkey: RedisServer, store: Store
) -> None:
    await fail(Breaker(store, "provider", RULE), 5)
    with probers(valkey.url) as processes:
        codes = [await asyncio.to_thread(process.wait, 60) for process in processes]
    assert codes == [0] * 8
    calls = [int(under_way) for under_way in await store.call("LRANGE", "calls", 0, FAILURES + 2)]
    assert calls == [1] * (FAILURES + 3)


@pytest.fixture(scope="module")
def upstream() -> Iterator[StrictUpstream]:
    with strict_upstream(limit=1_000, window_s=60) as started:
        yield started


async def predict(breaker: Breaker, transport: Transport) -> None:
    async with breaker.guard() as one:
        reply = await transport.post("/v1/predictions", {}, total_s=0.5)
        if 400 <= reply.status < 500:
            one.answered()
        reply.require_ok().load_object()


@pytest.mark.parametrize("fault", ["500", "garbage", "drop", "hang"])
async def test_five_faults_of_a_real_server_open_it(make: MakeBreaker, upstream: StrictUpstream, fault: str) -> None:
    breaker, transport = await make(), Transport("provider", upstream.url)
    await asyncio.to_thread(upstream.fail_next, *[fault] * 5)
    for _ in range(5):
        with pytest.raises(Unavailable):
            await predict(breaker, transport)
    assert (await breaker.look()).state == "open"
    await transport.aclose()


@pytest.mark.parametrize("status", ["404", "422", "429"])
async def test_refusals_of_a_real_server_do_not(make: MakeBreaker, upstream: StrictUpstream, status: str) -> None:
    breaker, transport = await make(), Transport("provider", upstream.url)
    await asyncio.to_thread(upstream.fail_next, *[status] * 30)
    for _ in range(30):
        with pytest.raises(Unavailable):
            await predict(breaker, transport)
    assert (await breaker.look()).state == "closed"
    await transport.aclose()


async def test_a_server_that_is_not_there_opens_it(make: MakeBreaker) -> None:
    breaker, transport = await make(), Transport("provider", "http://127.0.0.1:1")
    for _ in range(5):
        with pytest.raises(Unavailable):
            await predict(breaker, transport)
    assert await call(breaker) == "refused"
    await transport.aclose()
