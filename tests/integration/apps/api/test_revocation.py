"""What is open on the strength of a key is cut when the key goes: within a second, or five when nobody hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from apps.api.main import build
from tests.fakes.api import Api, bearer
from tests.fakes.customers import JOBS, Customer, customer_of
from tests.fakes.live import following, serving
from tests.fakes.problems import refused
from tests.integration.apps.api.conftest import MakeApi
from tests.patience import PATIENCE_S
from tests.run.promises import Prompt

AT_ONCE_S, UNHEARD_S = 1.0, 5.0


@pytest.fixture
async def someone(api: Api) -> Customer:
    return await customer_of(api)


@pytest.fixture
async def url(api: Api) -> AsyncIterator[str]:
    async with serving(build(api.resources)) as served:
        yield served


async def end_of(api: Api, someone: Customer, how: str) -> None:
    """Take the key away, one way or the other."""
    admin, me = await api.admin(), await someone.me()
    user, key = f"/admin/users/{me['id']}", f"/admin/api-keys/{me['api_key']['id']}"
    match how:
        case "revoked":
            answer = await api.http.delete(key, headers=admin)
        case "rotated":
            answer = await api.http.post(f"{key}/rotate", json={"overlap_seconds": 0}, headers=admin)
        case "suspended":
            answer = await api.http.patch(user, json={"status": "suspended"}, headers=admin)
        case _:
            answer = await api.http.delete(user, headers=admin)
    assert answer.status_code in (200, 201, 202, 204), answer.text


async def follow_to_the_end(url: str, someone: Customer, job_id: str, opened: asyncio.Event) -> None:
    headers = bearer(someone.secret)
    async with (
        httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as http,
        following(http, f"{JOBS}/{job_id}/events", headers) as stream,
    ):
        first = await stream.next()
        assert first is not None
        opened.set()
        await stream.rest()


@pytest.mark.parametrize("how", ["revoked", "rotated", "suspended", "erased"])
async def test_an_open_stream_ends_within_a_second(
    api: Api, someone: Customer, url: str, how: str, prompt: Prompt
) -> None:
    job_id, opened = (await someone.job())["id"], asyncio.Event()
    reading = asyncio.create_task(follow_to_the_end(url, someone, job_id, opened))
    await opened.wait()
    with prompt(AT_ONCE_S + 0.5):  # and what the act itself took
        await end_of(api, someone, how)
        await reading
    refused(await api.http.get(f"{JOBS}/{job_id}/events", headers=bearer(someone.secret)), 401, "invalid_token")


async def test_a_socket_is_closed_with_a_code_that_says_why(
    api: Api, someone: Customer, url: str, prompt: Prompt
) -> None:
    job_id = (await someone.job())["id"]
    address = f"{url.replace('http', 'ws', 1)}/ws/jobs/{job_id}"
    async with connect(address, additional_headers=bearer(someone.secret)) as socket:
        await socket.recv()
        await end_of(api, someone, "revoked")
        with prompt(AT_ONCE_S):
            await socket.wait_closed()
        assert socket.close_code == 4401


async def streams_open(api: Api, someone: Customer, count: int) -> None:
    """Until so many listen to the user's events."""
    store = api.resources.store
    async with asyncio.timeout(PATIENCE_S):
        while len(await store.call("PUBSUB", "CHANNELS", store.keys.events + "*")) != count:
            await asyncio.sleep(0.01)


async def test_who_waits_for_a_job_waits_no_longer(api: Api, someone: Customer, prompt: Prompt) -> None:
    waiting = asyncio.create_task(someone.submit(prefer="wait=30"))
    await streams_open(api, someone, 1)
    await end_of(api, someone, "suspended")
    with prompt(AT_ONCE_S):
        refused(await waiting, 401, "invalid_token")


async def test_other_keys_of_the_user_go_on(api: Api, someone: Customer, url: str) -> None:
    admin, me = await api.admin(), await someone.me()
    made = await api.http.post("/admin/api-keys", json={"user_id": me["id"], "name": "other"}, headers=admin)
    other = Customer(api.http, made.json()["api_key"])
    job_id, opened = (await someone.job())["id"], asyncio.Event()
    reading = asyncio.create_task(follow_to_the_end(url, other, job_id, opened))
    await opened.wait()
    await end_of(api, someone, "revoked")
    await asyncio.wait({reading}, timeout=0.5)
    assert not reading.done()
    assert (await other.delete(f"{JOBS}/{job_id}")).status_code == 200
    await reading


async def test_a_process_that_hears_nothing_cuts_its_streams_within_five_seconds(
    make_api: MakeApi, prompt: Prompt
) -> None:
    api, deaf = await make_api(), await make_api()
    for task in deaf.resources.background:
        task.cancel()
    someone = await customer_of(api)
    job_id, opened = (await someone.job())["id"], asyncio.Event()
    async with serving(build(deaf.resources)) as url:
        reading = asyncio.create_task(follow_to_the_end(url, someone, job_id, opened))
        await opened.wait()
        with prompt(UNHEARD_S):
            await end_of(api, someone, "revoked")
            await reading


async def test_a_changed_plan_and_an_act_on_somebody_else_cut_nobody_off(api: Api, someone: Customer, url: str) -> None:
    job_id, opened = (await someone.job())["id"], asyncio.Event()
    reading = asyncio.create_task(follow_to_the_end(url, someone, job_id, opened))
    await opened.wait()
    admin: dict[str, Any] = await api.admin()
    user_id = (await someone.me())["id"]
    await api.http.patch(f"/admin/users/{user_id}", json={"role": "free"}, headers=admin)
    await end_of(api, await customer_of(api), "revoked")
    await asyncio.wait({reading}, timeout=0.5)
    assert not reading.done()
    await someone.delete(f"{JOBS}/{job_id}")
    await reading
