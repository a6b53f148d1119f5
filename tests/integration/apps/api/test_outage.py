"""Redis goes away under a running API: 503 within a second, and back to work as soon as it is there again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from libs.embedded.ports import free_port
from tests.fakes.api import Api, bearer
from tests.integration.apps.api.conftest import MakeApi
from tests.patience import PATIENCE_S
from tests.run.promises import Prompt
from tests.servers import RedisServer, redis_server

ME = "/api/v1/me"


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


async def refused_in_time(api: Api, headers: dict[str, str], prompt: Prompt) -> httpx.Response:
    with prompt(1):
        answer = await api.http.get(ME, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "dependency_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert "x-ratelimit-limit" not in answer.headers
    return answer


async def works_again(api: Api, headers: dict[str, str]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await api.http.get(ME, headers=headers)).status_code != 200:
            await asyncio.sleep(0.02)


async def test_a_redis_that_hangs_gives_503_within_a_second_and_is_used_again_when_it_wakes(
    own_redis: RedisServer, make_api: MakeApi, prompt: Prompt
) -> None:
    api = await make_api(own_redis.url, redis_timeout_s=0.8)
    known, cold = bearer(await api.key()), bearer(await api.key())
    await works_again(api, known)
    os.kill(own_redis.child.pid, signal.SIGSTOP)
    try:
        for headers in (known, cold, known):
            await refused_in_time(api, headers, prompt)
        assert (await api.http.get("/ping", headers=known)).json() == {"ok": True}
        health = await api.http.get("/health", headers=known)
        assert (health.status_code, health.json()["checks"]["redis"]) == (200, "away")
        assert (await api.http.get("/ready")).status_code == 503
    finally:
        os.kill(own_redis.child.pid, signal.SIGCONT)
    for headers in (known, cold):
        await works_again(api, headers)


async def test_a_redis_that_is_killed_and_comes_back_needs_no_restart_of_ours(
    tmp_path: Path, make_api: MakeApi, prompt: Prompt
) -> None:
    with redis_server(tmp_path) as first:
        api = await make_api(first.url)
        headers = bearer(await api.key())
        await works_again(api, headers)
        os.kill(first.child.pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            while (await api.http.get(ME, headers=headers)).status_code == 200:
                await asyncio.sleep(0.01)
        for _ in range(3):
            await refused_in_time(api, headers, prompt)
        assert (await api.http.get("/nowhere", headers=headers)).status_code == 404
        first.child.stop(1)
        again = first.part.spawn()
        try:
            await works_again(api, headers)
        finally:
            again.stop(2)


async def test_a_redis_that_is_away_at_the_start_keeps_nothing_from_starting(tmp_path: Path, make_api: MakeApi) -> None:
    port = free_port()
    api = await make_api(f"redis://127.0.0.1:{port}/0")
    assert (await api.http.get("/ping")).status_code == 200
    assert (await api.http.get("/health")).json()["status"] == "degraded"
    answer = await api.http.get(ME, headers=bearer("garbage"))
    assert answer.status_code == 401
