"""Redis goes away under a caller's jobs: 503 within a second, and not one job too many or too few afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from apps.api.main import build
from tests.fakes.api import Api
from tests.fakes.customers import JOBS, Customer, customer_of
from tests.fakes.hands import end, start, tell_progress
from tests.fakes.live import following, serving
from tests.fakes.problems import refused
from tests.integration.apps.api.conftest import MakeApi
from tests.patience import PATIENCE_S
from tests.run.promises import Prompt
from tests.servers import Life, RedisServer, life_of, redis_server


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


@pytest.fixture
def life(own_redis: RedisServer) -> Iterator[Life]:
    with life_of(own_redis) as life:
        yield life


@pytest.fixture
async def api(make_api: MakeApi, own_redis: RedisServer) -> Api:
    return await make_api(own_redis.url, redis_timeout_s=0.8)


@pytest.fixture
async def someone(api: Api) -> Customer:
    customer = await customer_of(api)
    assert (await customer.get(JOBS)).status_code == 200
    return customer


async def refused_in_time(asked: Awaitable[httpx.Response], prompt: Prompt) -> None:
    with prompt(1):
        answer = await asked
    refused(answer, 503, "dependency_unavailable")
    assert "x-ratelimit-limit" not in answer.headers


async def back(someone: Customer) -> None:
    """Wait until Redis is used again."""
    async with asyncio.timeout(PATIENCE_S):
        while (await someone.get(JOBS)).status_code != 200:
            await asyncio.sleep(0.02)


async def accepted(someone: Customer, key: str) -> httpx.Response:
    """Retry as a client should, until Redis is back."""
    async with asyncio.timeout(PATIENCE_S):
        while (answer := await someone.submit(idempotency_key=key)).status_code == 503:
            await asyncio.sleep(0.02)
    assert answer.status_code == 202
    return answer


@pytest.mark.parametrize("away", [Life.hanging, Life.killed])
async def test_a_submission_is_refused_within_a_second_and_its_retries_make_one_job(
    someone: Customer, life: Life, away: Callable[[Life], AbstractContextManager[None]], prompt: Prompt
) -> None:
    before = await someone.job(idempotency_key="before")
    with away(life):
        for _ in range(3):
            await refused_in_time(someone.submit(idempotency_key="k"), prompt)
    answer = await accepted(someone, "k")
    again = await accepted(someone, "before")
    assert (again.json()["id"], again.headers["idempotent-replayed"]) == (before["id"], "true")
    jobs = (await someone.get(JOBS)).json()["data"]
    assert [job["id"] for job in jobs] == [answer.json()["id"], before["id"]]


async def test_every_route_on_jobs_is_refused_within_a_second(someone: Customer, life: Life, prompt: Prompt) -> None:
    path = f"{JOBS}/{(await someone.job())['id']}"
    with life.hanging():
        for asked in (
            someone.get(JOBS),
            someone.get(path),
            someone.delete(path),
            someone.post(f"{path}/cancel"),
            someone.get(f"{path}/events"),
            someone.get(f"{path}/artifacts"),
            someone.post("/api/v1/generate", {"prompt": "x"}),
        ):
            await refused_in_time(asked, prompt)


async def begun_to_wait(someone: Customer) -> str:
    """The id of the job that somebody waits for."""
    async with asyncio.timeout(PATIENCE_S):
        while not (jobs := (await someone.get(JOBS)).json()["data"]):
            await asyncio.sleep(0.01)
    return str(jobs[0]["id"])


async def test_who_waits_for_a_job_is_told_which_it_is_although_redis_is_away_at_the_end(
    someone: Customer, life: Life
) -> None:
    waiting = asyncio.create_task(someone.submit(prefer="wait=1"))
    job_id = await begun_to_wait(someone)
    with life.killed():
        async with asyncio.timeout(PATIENCE_S):
            answer = await waiting
    assert (answer.status_code, answer.json()["id"]) == (202, job_id)
    assert answer.headers["location"] == f"{JOBS}/{job_id}"


async def test_who_waits_for_a_job_hears_of_its_end_through_a_restart_of_redis(
    api: Api, someone: Customer, life: Life
) -> None:
    waiting = asyncio.create_task(someone.submit(prefer="wait=10"))
    await begun_to_wait(someone)
    claimed = await start(api.resources.store)
    with life.killed():
        pass
    await back(someone)
    await end(api.resources.store, claimed)
    async with asyncio.timeout(PATIENCE_S):
        answer = await waiting
    assert (answer.status_code, answer.json()["status"]) == (201, "succeeded")


async def test_a_follower_hears_of_the_end_through_a_restart_of_redis(api: Api, someone: Customer, life: Life) -> None:
    job_id = (await someone.job())["id"]
    claimed = await start(api.resources.store)
    async with (
        serving(build(api.resources)) as url,
        httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as http,
        following(http, f"{JOBS}/{job_id}/events", {"x-api-key": someone.secret}) as stream,
    ):
        await stream.next()
        await tell_progress(api.resources.store, claimed, 0.5)
        await stream.next()  # now it only listens
        with life.killed():
            pass
        await back(someone)
        await end(api.resources.store, claimed)
        assert (await stream.types())[-1] == "done"
