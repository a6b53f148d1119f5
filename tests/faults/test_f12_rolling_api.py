"""F12: instances of the API are restarted one after the other, under load; who follows a job misses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from libs.jobs.lifecycle import finish, report
from tests.fakes.api import bearer
from tests.fakes.hands import start
from tests.fakes.live import following
from tests.faults.api_process import ApiProcess, api_process
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES
from tests.faults.history import JOBS, Client
from tests.faults.kinds import QUEUE
from tests.faults.site import Site, environment
from tests.faults.size import SIZE
from tests.faults.yard import Yard
from tests.patience import PATIENCE_S
from tests.servers import S3Server

AT_ONCE, A_SECOND = 8, 100
TOLD_EVERY_S = 0.02
#: What a load balancer takes to send nothing more to an instance that it was told of (`preStop` in the deployment).
TURNED_AWAY_S = 0.3


class Rotation:
    """The instances that requests are sent to, as a load balancer does it."""

    def __init__(self, instances: list[ApiProcess]) -> None:
        self._turned = list(instances)

    def next(self) -> str:
        self._turned.append(self._turned.pop(0))
        return self._turned[-1].url

    async def restart(self, instance: ApiProcess) -> None:
        """Turn away, stop, start, turn to; it must end by itself, and well."""
        self._turned.remove(instance)
        await asyncio.sleep(TURNED_AWAY_S)
        assert instance.process is not None
        instance.process.terminate()
        assert await asyncio.to_thread(instance.process.wait, PATIENCE_S) == 0
        await instance.start()
        self._turned.append(instance)


async def test_a_deployment_fails_no_request_and_no_follower_misses_anything(
    open_yard: OpenYard, whole_site: Site, tmp_path: Path, s3: S3Server
) -> None:
    told = environment(whole_site.redis, s3, whole_site.backend, redis_timeout_s=PATIENCE_S)
    async with open_yard() as yard, contextlib.AsyncExitStack() as stack:
        folders = [tmp_path / name for name in ("a", "b")]
        for folder in folders:
            folder.mkdir()
        instances = [stack.enter_context(api_process(folder, told)) for folder in folders]
        rotation, http = Rotation(instances), await stack.enter_async_context(httpx.AsyncClient(timeout=PATIENCE_S))
        client = await yard.client()
        job_id = (await client.submit("noop")).body["id"]
        async with talking(yard) as said, loading(rotation, http, client) as statuses:
            seen, connections = list[int](), list[str]()
            following_it = asyncio.create_task(follow(rotation, http, client, job_id, seen, connections))
            for n in range(SIZE.api_restarts):
                await asyncio.sleep(random.uniform(0.1, 0.5))
                await rotation.restart(instances[n % len(instances)])
        await asyncio.wait_for(following_it, PATIENCE_S)

    assert set(statuses) == {200, 202}, statuses
    assert seen == list(range(seen[0], said[-1] + 1)), "every event once, and in order"
    assert len(connections) > 1, "the follower was not interrupted"
    FIGURES.note("F12", "restarts, requests, failed", f"{SIZE.api_restarts}, {statuses.total()}, 0")
    FIGURES.note("F12", "events, streams that told them, missed", f"{len(seen)}, {len(connections)}, 0")


@contextlib.asynccontextmanager
async def talking(yard: Yard) -> AsyncIterator[list[int]]:
    """A job that tells a number again and again, and ends; the numbers it told."""
    claimed, said, over = await start(yard.store, QUEUE), list[int](), asyncio.Event()

    async def talk() -> None:
        while not over.is_set():
            await report(yard.store, claimed.job_id, claimed.fence, event="log", data={"n": len(said)})
            said.append(len(said))
            await asyncio.sleep(TOLD_EVERY_S)

    task = asyncio.create_task(talk())
    try:
        yield said
    finally:
        over.set()
        await task
        await finish(yard.store, claimed.job_id, claimed.fence, "succeed")


@contextlib.asynccontextmanager
async def loading(rotation: Rotation, http: httpx.AsyncClient, client: Client) -> AsyncIterator[Counter[int]]:
    """Requests all the time; the statuses of their answers. One that breaks fails the run."""
    statuses, over = Counter[int](), asyncio.Event()

    async def ask() -> None:
        headers = bearer(client.secret)
        while not over.is_set():
            url = rotation.next() + JOBS
            submission = {"kind": "noop", "input": {}}
            answer = await (
                http.post(url, json=submission, headers=headers)
                if random.random() < 0.5
                else http.get(url, headers=headers)
            )
            statuses[answer.status_code] += 1
            await asyncio.sleep(AT_ONCE / A_SECOND)

    asking = [asyncio.create_task(ask()) for _ in range(AT_ONCE)]
    try:
        yield statuses
    finally:
        over.set()
        await asyncio.gather(*asking)


async def follow(
    rotation: Rotation, http: httpx.AsyncClient, client: Client, job_id: str, seen: list[int], connections: list[str]
) -> None:
    """As a browser does: whenever the stream ends, ask again from the last event on."""
    headers = bearer(client.secret)
    while True:
        connections.append(url := rotation.next())
        async with following(http, f"{url}{JOBS}/{job_id}/events", headers) as stream:
            assert stream.answer.status_code == 200
            for event in await stream.rest():
                headers["Last-Event-ID"] = event.id
                if event.type == "log":
                    seen.append(int(event.data["n"]))
                if event.type == "done":
                    return
