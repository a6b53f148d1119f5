"""Followers whose API loses its subscription at every point of a job's life: its end is told once, and is the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from apps.api.main import build
from tests.fakes.api import Api, bearer
from tests.fakes.customers import JOBS, PICTURE, Customer
from tests.fakes.hands import end, start, tell_progress
from tests.fakes.live import following, serving
from tests.patience import PATIENCE_S

#: Before it starts, once it has started, after its progress, at the moment of its end, and right after it.
POINTS = range(5)

Told = list[tuple[str, str]]
Follower = Callable[[Customer, str, asyncio.Event], Coroutine[Any, Any, Told]]


@pytest.fixture
async def someone(api: Api) -> AsyncIterator[Customer]:
    secret = await api.key("internal")
    async with serving(build(api.resources)) as url, httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as http:
        yield Customer(http, secret)


async def cut(api: Api) -> None:
    """Whoever subscribes loses the connection."""
    await api.resources.store.call("CLIENT", "KILL", "TYPE", "pubsub")


async def live_on(api: Api, job_id: str, at: int) -> None:
    """A job's life, in which the subscription is cut once."""
    store = api.resources.store
    if at == 0:
        await cut(api)
    claimed = await start(store)
    if at == 1:
        await cut(api)
    await tell_progress(store, claimed, 0.5)
    if at == 2:
        await cut(api)
    await asyncio.gather(end(store, claimed), *[cut(api) for _ in range(at == 3)])
    if at == 4:
        await cut(api)


async def by_sse(someone: Customer, job_id: str, ready: asyncio.Event) -> Told:
    async with following(someone.http, f"{JOBS}/{job_id}/events", bearer(someone.secret)) as stream:
        first = await stream.next()
        assert first is not None
        ready.set()
        return [(event.type, event.id) for event in [first, *await stream.rest()]]


async def by_socket(someone: Customer, job_id: str, ready: asyncio.Event) -> Told:
    url = str(someone.http.base_url).rstrip("/").replace("http", "ws", 1)
    async with (
        asyncio.timeout(PATIENCE_S),
        connect(f"{url}/ws/jobs/{job_id}", additional_headers=bearer(someone.secret)) as ws,
    ):
        messages = [json.loads(await ws.recv())]
        ready.set()
        messages += [json.loads(message) async for message in ws]
    return [(message["type"], message["id"]) for message in messages]


@pytest.mark.parametrize("follower", [by_sse, by_socket])
@pytest.mark.parametrize("at", POINTS)
async def test_the_end_is_told_once_and_ends_it(api: Api, someone: Customer, follower: Follower, at: int) -> None:
    job_id, ready = (await someone.job())["id"], asyncio.Event()
    reading = asyncio.create_task(follower(someone, job_id, ready))
    async with asyncio.timeout(PATIENCE_S):
        await ready.wait()
        await live_on(api, job_id, at)
        told = await reading
    assert [type_ for type_, _ in told].count("done") == 1
    assert told[-1][0] == "done"
    done = told[-1][1]
    assert [event_id for _, event_id in told].count(done) == 1


@pytest.mark.parametrize("at", POINTS)
async def test_whoever_waits_is_answered_with_the_end(api: Api, someone: Customer, at: int) -> None:
    waiting = asyncio.create_task(someone.post(JOBS, PICTURE, prefer="wait=10"))
    store = api.resources.store
    async with asyncio.timeout(PATIENCE_S):
        while not (waits := await store.call("PUBSUB", "CHANNELS")) or b"events" not in b"".join(waits):
            await asyncio.sleep(0.005)
        await live_on(api, "", at)
        answer = await waiting
    assert (answer.status_code, answer.json()["status"]) == (201, "succeeded")


async def test_a_late_reader_who_comes_back_with_the_snapshots_id_gets_the_end(api: Api, someone: Customer) -> None:
    job_id = (await someone.job())["id"]
    await live_on(api, job_id, -1)
    (_, seen), (kind, done) = await by_sse(someone, job_id, asyncio.Event())
    assert kind == "done"
    assert seen != done
    headers = bearer(someone.secret) | {"Last-Event-ID": seen}
    async with following(someone.http, f"{JOBS}/{job_id}/events", headers) as stream:
        assert stream.answer.status_code == 200
        assert (await stream.types())[-1] == "done"


@pytest.mark.parametrize("follower", [by_sse, by_socket])
async def test_a_job_that_vanishes_ends_the_stream_with_gone(api: Api, someone: Customer, follower: Follower) -> None:
    job_id, ready = (await someone.job())["id"], asyncio.Event()
    reading = asyncio.create_task(follower(someone, job_id, ready))
    store = api.resources.store
    async with asyncio.timeout(PATIENCE_S):
        await ready.wait()
        await store.call("DEL", store.keys.job + job_id)
        await cut(api)
        told = await reading
    assert [type_ for type_, _ in told] == ["snapshot", "gone"]
