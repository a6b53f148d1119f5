"""Following a job through the whole system: server-sent events, WebSocket, stream tokens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.patience import PATIENCE_S
from tests.system import System

PICTURE = {"prompt": "a harbour", "width": 64, "height": 64, "steps": 4}


@pytest.fixture
async def client(system: System) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {system.mint_api_key()}"}
    async with httpx.AsyncClient(base_url=system.url, headers=headers, timeout=PATIENCE_S) as opened:
        yield opened


async def submit(client: httpx.AsyncClient) -> str:
    answer = await client.post("/api/v1/jobs", json=PICTURE)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def token_for(client: httpx.AsyncClient, job_id: str) -> str:
    answer = await client.post("/api/v1/stream-tokens", json={"job_id": job_id})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


def socket_url(system: System, path: str) -> str:
    return system.url.replace("http", "ws", 1) + path


#: How the id of a stream's first event ends (libs/jobs/scripts/tell.lua).
STREAM_BEGINS = "-1000000"


async def told(socket: Any) -> list[dict[str, Any]]:
    return [json.loads(message) async for message in socket]


async def test_a_socket_tells_the_state_and_everything_up_to_done(system: System, client: httpx.AsyncClient) -> None:
    job_id = await submit(client)
    authorization = {"Authorization": client.headers["Authorization"]}
    async with (
        asyncio.timeout(PATIENCE_S),
        connect(socket_url(system, f"/ws/jobs/{job_id}"), additional_headers=authorization) as ws,
    ):
        messages = await told(ws)
    assert messages[0]["type"] == "snapshot"
    assert messages[-1]["type"] == "done"
    assert messages[-1]["data"]["status"] == "succeeded"
    assert messages[-1]["data"]["artifacts"][0]["name"] == "0.png"
    ids = [tuple(map(int, message["id"].split("-"))) for message in messages]
    assert ids == sorted(ids)


async def test_a_browser_follows_with_a_token_and_resumes_where_it_was(
    system: System, client: httpx.AsyncClient
) -> None:
    job_id = await submit(client)
    url = socket_url(system, f"/ws/jobs/{job_id}?token={await token_for(client, job_id)}")
    async with asyncio.timeout(PATIENCE_S), connect(url) as ws:
        messages = [message for message in await told(ws) if message["type"] != "preview"]  # those are not kept
    # What was told before the stream began is in no stream: whoever comes back from there gets the state.
    at = next((n for n, message in enumerate(messages) if message["id"].endswith(STREAM_BEGINS)), 0)
    async with asyncio.timeout(PATIENCE_S), connect(f"{url}&last_event_id={messages[at]['id']}") as ws:
        again = await told(ws)
    assert [message["id"] for message in again] == [message["id"] for message in messages[at + 1 :]]


async def test_a_token_opens_the_stream_of_its_job_and_of_no_other(system: System, client: httpx.AsyncClient) -> None:
    mine, other = await submit(client), await submit(client)
    token = await token_for(client, mine)
    async with httpx.AsyncClient(base_url=system.url, timeout=PATIENCE_S) as browser:
        followed = await browser.get(f"/api/v1/jobs/{mine}/events", params={"token": token})
        assert followed.status_code == 200
        assert "event: done" in followed.text
        assert (await browser.get(f"/api/v1/jobs/{other}/events", params={"token": token})).status_code == 401
        assert (await browser.get(f"/api/v1/jobs/{mine}", params={"token": token})).status_code == 401


@pytest.mark.parametrize(
    "path, headers, code",
    [
        ("/ws/jobs/job_00000000000000000000000000", {}, 4401),
        ("/ws/jobs/job_00000000000000000000000000", {"Authorization": "mine"}, 4404),
    ],
)
async def test_a_refused_socket_says_why_in_its_close_code(
    system: System, client: httpx.AsyncClient, path: str, headers: dict[str, str], code: int
) -> None:
    sent = dict.fromkeys(headers, client.headers["Authorization"])
    async with asyncio.timeout(PATIENCE_S), connect(socket_url(system, path), additional_headers=sent) as ws:
        with pytest.raises(ConnectionClosed) as closed:
            await ws.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code


async def test_a_stream_that_ended_is_not_reopened(client: httpx.AsyncClient) -> None:
    job_id = await submit(client)
    first = await client.get(f"/api/v1/jobs/{job_id}/events")
    events = [block.split("\n") for block in first.text.split("\n\n") if block.startswith("id:")]
    assert first.text.startswith("retry: 3000\n\n")
    assert events[0][1] == "event: snapshot"
    assert events[-1][1] == "event: done"
    last_id = events[-1][0].removeprefix("id: ")
    again = await client.get(f"/api/v1/jobs/{job_id}/events", headers={"Last-Event-ID": last_id})
    assert again.status_code == 204
    late = await client.get(f"/api/v1/jobs/{job_id}/events")
    assert [line for line in late.text.split("\n") if line.startswith("event:")] == ["event: snapshot", "event: done"]


async def test_a_retry_is_a_new_job_with_the_same_input_linked_to_the_old(client: httpx.AsyncClient) -> None:
    old = (await client.post("/api/v1/generate", json=PICTURE)).json()
    answer = await client.post(f"/api/v1/jobs/{old['id']}/retry")
    assert answer.status_code == 202, answer.text
    new = answer.json()
    assert new["id"] != old["id"]
    assert (new["retry_of"], new["input"]) == (old["id"], old["input"])
