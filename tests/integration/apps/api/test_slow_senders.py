"""Senders who take their time, on a server in this process whose patience is short."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from apps.api.main import build
from apps.api.server.server import MetricsServer
from apps.api.state import ApiState
from libs import limits
from tests.fakes.api import Api
from tests.integration.apps.api.conftest import MakeApi
from tests.patience import PATIENCE_S


@asynccontextmanager
async def serving(api: Api) -> AsyncIterator[int]:
    """The port of a server without signals around the application."""
    server = MetricsServer(build(api.resources), ApiState(api.resources), 0)
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(PATIENCE_S):
        while not server.started:
            await asyncio.sleep(0.005)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


async def answer_to(port: int, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.fixture
async def port(make_api: MakeApi, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(limits, "HEADERS_S", 0.1)
    async with serving(await make_api()) as listening:
        yield listening


async def test_headers_that_do_not_end_in_time_are_told_so_and_cut_off(port: int) -> None:
    answer = await answer_to(port, b"GET /ping HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"code":"request_timeout"' in answer


async def test_a_second_request_has_no_more_time_than_the_first(port: int) -> None:
    answer = await answer_to(port, b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\nGET /pi")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 408" in answer


async def test_who_says_nothing_at_all_is_hung_up_on(port: int) -> None:
    assert await answer_to(port, b"") == b""


async def test_a_connection_that_is_kept_alive_may_rest_between_requests(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
        for _ in range(2):
            assert (await client.get("/ping")).status_code == 200
            await asyncio.sleep(0.2)  # longer than headers may take
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readuntil(b'{"ok":true}')).startswith(b"HTTP/1.1 200")
        await asyncio.sleep(0.2)
    writer.close()
