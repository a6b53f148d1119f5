"""Following a job whose worker is the test itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import httpx
import pytest

from apps.api.main import build
from tests.fakes.api import Api, bearer
from tests.fakes.customers import JOBS, Customer, customer_of
from tests.fakes.hands import end, start, tell_progress
from tests.fakes.live import Stream, following, serving
from tests.fakes.problems import refused
from tests.fakes.sse import Sent
from tests.integration.apps.api.conftest import MakeApi
from tests.patience import PATIENCE_S


@pytest.fixture
async def someone(api: Api) -> AsyncIterator[Customer]:
    """A user who speaks to the API over a real connection, so that answers come bit by bit."""
    secret = await api.key("internal")
    async with serving(build(api.resources)) as url, httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as http:
        yield Customer(http, secret)


def follow(someone: Customer, job_id: str, **headers: str) -> AbstractAsyncContextManager[Stream]:
    more = {name.replace("_", "-"): text for name, text in headers.items()}
    return following(someone.http, f"{JOBS}/{job_id}/events", bearer(someone.secret) | more)


async def told(someone: Customer, job_id: str, **headers: str) -> list[Sent]:
    """All that a reader is told who comes now; the job must be finished, or it does not end."""
    async with follow(someone, job_id, **headers) as stream:
        return await stream.rest()


async def run_it(api: Api) -> None:
    store = api.resources.store
    claimed = await start(store)
    await tell_progress(store, claimed, 0.25)
    await tell_progress(store, claimed, 0.75)
    await end(store, claimed, output={"seed": 7})


async def followed(api: Api, someone: Customer, job_id: str) -> list[Sent]:
    """What is told to one who came before the start."""
    async with follow(someone, job_id) as stream:
        first = await stream.next()
        assert first is not None
        await run_it(api)
        return [first, *await stream.rest()]


async def test_who_comes_before_the_start_is_told_everything_and_the_stream_ends(api: Api, someone: Customer) -> None:
    job_id = (await someone.job())["id"]
    events = await followed(api, someone, job_id)
    assert [event.type for event in events] == ["snapshot", "status", "progress", "progress", "done"]
    assert [event.data["status"] for event in events[:2]] == ["queued", "running"]
    assert [event.data["fraction"] for event in events[2:4]] == [0.25, 0.75]
    assert events[-1].data == await someone.look(job_id)
    assert events[-1].data["status"] == "succeeded"


async def test_a_stream_is_one_that_browsers_and_proxies_understand(api: Api, someone: Customer) -> None:
    job_id = (await someone.job())["id"]
    async with follow(someone, job_id) as stream:
        headers = stream.answer.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")
        assert "content-length" not in headers
        assert "x-ratelimit-remaining" in headers
        assert await anext(stream.answer.aiter_lines()) == "retry: 3000"


async def test_a_late_reader_is_told_the_state_and_the_end(api: Api, someone: Customer) -> None:
    job_id = (await someone.job())["id"]
    await run_it(api)
    snapshot, done = await told(someone, job_id)
    assert (snapshot.type, done.type) == ("snapshot", "done")
    assert snapshot.data == done.data == await someone.look(job_id)


async def test_who_comes_in_the_middle_is_told_the_state_and_what_follows(api: Api, someone: Customer) -> None:
    store = api.resources.store
    job_id = (await someone.job())["id"]
    claimed = await start(store)
    await tell_progress(store, claimed, 0.25)
    async with follow(someone, job_id) as stream:
        snapshot = await stream.next()
        assert snapshot is not None
        assert snapshot.data["progress"]["fraction"] == 0.25
        await tell_progress(store, claimed, 0.75)
        await end(store, claimed)
        assert await stream.types() == ["progress", "done"]


async def test_from_every_event_on_the_rest_is_told_once_and_without_a_gap(api: Api, someone: Customer) -> None:
    job_id = (await someone.job())["id"]
    whole = await followed(api, someone, job_id)
    for n in range(1, len(whole) - 1):
        rest = await told(someone, job_id, last_event_id=whole[n].id)
        if whole[n].type == "status":  # heard before the job had a history: the state stands for what followed
            assert [event.type for event in rest] == ["snapshot", "done"]
        else:
            assert [(event.id, event.type) for event in rest] == [(event.id, event.type) for event in whole[n + 1 :]]


async def test_who_was_cut_off_and_comes_back_while_it_runs_misses_nothing(api: Api, someone: Customer) -> None:
    store = api.resources.store
    job_id = (await someone.job())["id"]
    claimed = await start(store)
    async with follow(someone, job_id) as stream:
        await stream.next()
        await tell_progress(store, claimed, 0.25)
        seen = await stream.next()
    assert seen is not None
    await tell_progress(store, claimed, 0.5)
    async with follow(someone, job_id, last_event_id=seen.id) as stream:
        missed = await stream.next()
        assert missed is not None
        assert missed.data["fraction"] == 0.5
        await tell_progress(store, claimed, 0.75)
        await end(store, claimed)
        assert await stream.types() == ["progress", "done"]


async def test_who_has_seen_the_end_is_told_that_there_is_no_more(api: Api, someone: Customer) -> None:
    job_id = (await someone.job())["id"]
    await run_it(api)
    done = (await told(someone, job_id))[-1]
    answer = await someone.get(f"{JOBS}/{job_id}/events", last_event_id=done.id)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("started", [False, True])
async def test_the_end_of_a_canceled_job_is_told_to_followers_and_to_who_comes_late(
    api: Api, someone: Customer, started: bool
) -> None:
    job_id = (await someone.job())["id"]
    async with follow(someone, job_id) as stream:
        await stream.next()
        claimed = await start(api.resources.store) if started else None
        await someone.delete(f"{JOBS}/{job_id}")
        if claimed is not None:
            await end(api.resources.store, claimed, "cancel")
        events = await stream.rest()
    assert events[-1].type == "done"
    assert events[-1].data["status"] == "canceled"
    assert [event.type for event in await told(someone, job_id)] == ["snapshot", "done"]
    answer = await someone.get(f"{JOBS}/{job_id}/events", last_event_id=events[-1].id)
    assert answer.status_code == 204


async def test_a_trimmed_history_is_made_up_for_by_the_state(api: Api, someone: Customer) -> None:
    store = api.resources.store
    job_id = (await someone.job())["id"]
    claimed = await start(store)
    await tell_progress(store, claimed, 0.25)
    seen = (await store.call("XRANGE", store.keys.events + job_id, "-", "+"))[0][0].decode()
    await tell_progress(store, claimed, 0.75)
    await end(store, claimed)
    await store.call("XTRIM", store.keys.events + job_id, "MAXLEN", 1)
    assert [event.type for event in await told(someone, job_id, last_event_id=seen)] == ["snapshot", "done"]


@pytest.mark.parametrize("last_id", ["99999999999999-0", "18446744073709551616-0", "0-0", "0", "1-1"])
async def test_an_id_that_this_stream_never_had_gets_the_state_and_misses_nothing(
    api: Api, someone: Customer, last_id: str
) -> None:
    job_id = (await someone.job())["id"]
    claimed = await start(api.resources.store)
    async with follow(someone, job_id, last_event_id=last_id) as stream:
        snapshot = await stream.next()
        assert snapshot is not None
        assert snapshot.type == "snapshot"
        await end(api.resources.store, claimed)
        assert await stream.types() == ["done"]
    assert [event.type for event in await told(someone, job_id, last_event_id=last_id)] == ["snapshot", "done"]


@pytest.mark.parametrize("last_id", ["done", "", "-", "-1", "1-", "1--1", "1_0-0", "+1-0", "\u0663-0", "9" * 5_000])
async def test_an_id_that_is_none_is_malformed(api: Api, last_id: str) -> None:
    someone = await customer_of(api)
    job_id = (await someone.job())["id"]
    headers = [(b"x-api-key", someone.secret.encode()), (b"last-event-id", last_id.encode())]
    async with asyncio.timeout(PATIENCE_S):
        refused(await api.http.get(f"{JOBS}/{job_id}/events", headers=headers), 400, "malformed_request")


async def test_of_twenty_streams_that_one_key_opens_at_once_ten_are_too_many(api: Api, someone: Customer) -> None:
    job_id = (await someone.job())["id"]
    opening = [asyncio.create_task(someone.get(f"{JOBS}/{job_id}/events")) for _ in range(20)]
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(10):
            await asyncio.wait(opening, return_when=asyncio.FIRST_COMPLETED)
            early = next(task for task in opening if task.done())
            opening.remove(early)
            assert refused(early.result(), 429, "rate_limited")["violated-policies"] == ["streams"]
    await someone.delete(f"{JOBS}/{job_id}")
    assert [(await task).status_code for task in opening] == [200] * 10


async def test_a_stream_that_its_reader_left_makes_room_for_another(api: Api, someone: Customer) -> None:
    job_id = (await someone.job())["id"]
    for _ in range(12):
        async with asyncio.timeout(PATIENCE_S):
            while not await opens(someone, job_id):
                await asyncio.sleep(0.01)


async def opens(someone: Customer, job_id: str) -> bool:
    async with follow(someone, job_id) as stream:
        return stream.answer.status_code == 200 and await stream.next() is not None


async def test_a_revoked_key_opens_no_stream(make_api: MakeApi) -> None:
    api = await make_api()
    someone = await customer_of(api)
    job_id = (await someone.job())["id"]
    key_id = (await someone.me())["api_key"]["id"]
    await api.http.delete(f"/admin/api-keys/{key_id}", headers=await api.admin())
    refused(await someone.get(f"{JOBS}/{job_id}/events"), 401, "invalid_token")
