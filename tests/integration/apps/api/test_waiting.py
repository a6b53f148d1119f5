"""`Prefer: wait=n` (RFC 7240), and the routes that wait by themselves."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.fakes.api import Api
from tests.fakes.customers import JOBS, PICTURE, Customer, customer_of
from tests.fakes.hands import end, start
from tests.fakes.problems import refused
from tests.patience import PATIENCE_S
from tests.run.promises import Prompt

GENERATE = "/api/v1/generate"


@pytest.fixture
async def someone(api: Api) -> Customer:
    return await customer_of(api)


async def run_what_comes(api: Api) -> None:
    """A worker: takes the next job and ends it well."""
    store = api.resources.store
    async with asyncio.timeout(PATIENCE_S):
        while not await store.call("ZCARD", store.keys.zset_of("gpu")):
            await asyncio.sleep(0.005)
    claimed = await start(store)
    await asyncio.sleep(0.02)  # so that the caller has begun to wait
    await end(store, claimed, output={"seed": 7})


@pytest.mark.parametrize("path, status", [(JOBS, 201), (GENERATE, 200)])
async def test_a_job_that_ends_in_time_is_answered_finished(
    api: Api, someone: Customer, path: str, status: int
) -> None:
    working = asyncio.create_task(run_what_comes(api))
    answer = await someone.post(path, PICTURE, prefer="wait=10")
    await working
    assert (answer.status_code, answer.json()["status"], answer.json()["output"]) == (status, "succeeded", {"seed": 7})
    assert answer.headers["preference-applied"] == "wait=10"
    assert answer.headers["location"] == answer.json()["links"]["self"]


@pytest.mark.parametrize("path", [JOBS, GENERATE])
async def test_a_job_that_does_not_end_in_time_is_answered_as_it_is(
    someone: Customer, path: str, prompt: Prompt
) -> None:
    began = time.monotonic()
    with prompt(3):
        answer = await someone.post(path, PICTURE, prefer="wait=1")
    assert time.monotonic() - began > 0.9
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert answer.headers["preference-applied"] == "wait=1"


async def test_a_kinds_own_route_waits_without_being_asked(api: Api, someone: Customer) -> None:
    working = asyncio.create_task(run_what_comes(api))
    answer = await someone.post(GENERATE, PICTURE)
    await working
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert "preference-applied" not in answer.headers


@pytest.mark.parametrize(
    "prefer", ["respond-async", "Respond-Async", "respond-async, wait=10", "wait=10, respond-async"]
)
@pytest.mark.parametrize("path", [JOBS, GENERATE])
async def test_respond_async_never_waits(someone: Customer, path: str, prefer: str, prompt: Prompt) -> None:
    with prompt(1):
        answer = await someone.post(path, PICTURE, prefer=prefer)
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")


async def test_preferences_may_come_in_several_lines(someone: Customer, prompt: Prompt) -> None:
    lines = [(b"x-api-key", someone.secret.encode()), (b"prefer", b"handling=lenient"), (b"prefer", b"respond-async")]
    with prompt(1):
        answer = await someone.http.post(GENERATE, json=dict(PICTURE), headers=lines)
    assert answer.headers["preference-applied"] == "respond-async"


async def test_what_is_not_understood_is_ignored(someone: Customer) -> None:
    for prefer in ("wait=soon", "wait", "return=minimal", "", ",,", "wait=-1"):
        answer = await someone.submit(prefer=prefer)
        assert (answer.status_code, "preference-applied" in answer.headers) == (202, False)


async def test_a_job_that_is_canceled_meanwhile_is_answered_finished(someone: Customer) -> None:
    waiting = asyncio.create_task(someone.submit(prefer="wait=10"))
    async with asyncio.timeout(PATIENCE_S):
        while not (jobs := (await someone.get(JOBS)).json()["data"]):
            await asyncio.sleep(0.01)
        await someone.delete(f"{JOBS}/{jobs[0]['id']}")
        answer = await waiting
    assert (answer.status_code, answer.json()["status"]) == (201, "canceled")


async def test_a_replay_waits_for_the_job_it_made(api: Api, someone: Customer, prompt: Prompt) -> None:
    first = await someone.job(idempotency_key="k")
    working = asyncio.create_task(run_what_comes(api))
    answer = await someone.submit(idempotency_key="k", prefer="wait=10")
    await working
    assert (answer.status_code, answer.json()["id"], answer.json()["status"]) == (201, first["id"], "succeeded")
    assert answer.headers["idempotent-replayed"] == "true"
    with prompt(1):
        later = await someone.submit(idempotency_key="k", prefer="wait=10")
    assert (later.status_code, later.json()["status"]) == (201, "succeeded")


async def test_nothing_waits_for_what_is_refused(someone: Customer, prompt: Prompt) -> None:
    with prompt(1):
        refused(await someone.submit({**PICTURE, "width": 1}, prefer="wait=10"), 422, "validation_failed")
