"""F18: receivers of webhooks that fail, hang, want no more or lead elsewhere: jobs and other receivers go on."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import orjson

from libs.webhooks.deliveries import list_deliveries
from libs.webhooks.endpoints import create_endpoint, load_endpoint
from tests.fakes.web_server import Answer, WebServer, answer, hang, web_server
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES
from tests.faults.history import Client
from tests.faults.size import SIZE
from tests.faults.yard import Yard

JOBS = 2_000 if SIZE.timed else 60
SHARE_MIN = 0.95


async def test_sick_receivers_slow_neither_jobs_nor_the_well(open_yard: OpenYard) -> None:
    async with AsyncExitStack() as stack, open_yard(webhook_slots=8) as yard:
        canary = await stack.enter_async_context(web_server())
        answers: dict[str, Answer] = {
            "failing": answer(500),
            "hanging": hang(),
            "gone": answer(410),
            "leading": answer(307, Location=f"http://10.0.0.1:{canary.port}/"),
            "well": answer(204),
        }
        servers = {
            name: await stack.enter_async_context(web_server(lambda _, told=told: told))  # type: ignore[misc]
            for name, told in answers.items()
        }
        sick, well = await yard.client(slots=5), await yard.client(slots=5)
        await yard.fleet.start()
        usual_s = await work(yard, [sick, well])
        hooks = {
            name: await told_by(yard, sick if name != "well" else well, server) for name, server in servers.items()
        }
        took_s = await work(yard, [sick, well])
        async with asyncio.timeout(SIZE.within_s):
            while len(servers["well"].asked) < JOBS:
                await asyncio.sleep(0.05)
            while (await load_endpoint(yard.store, sick.user_id, hooks["gone"])).disabled != "gone":
                await asyncio.sleep(0.05)
        failing, _ = await list_deliveries(yard.store, hooks["failing"], limit=1_000)
        for ending in await yard.fleet.stop():
            assert ending.status == 0

    told = [orjson.loads(asked.body) for asked in servers["well"].asked]
    assert len({body["data"]["id"] for body in told}) == JOBS
    assert len({asked.headers["webhook-id"] for asked in servers["well"].asked}) == JOBS
    assert {body["type"] for body in told} == {"job.succeeded"}
    assert canary.connections == 0
    assert {delivery.status for delivery in failing} == {"pending"}
    assert len(servers["hanging"].asked) <= 4 * (2 + took_s / 15)
    assert len(servers["gone"].asked) <= 4
    FIGURES.note(
        "F18", "jobs a second, usually / with sick receivers", f"{2 * JOBS / usual_s:.0f} / {2 * JOBS / took_s:.0f}"
    )
    assert usual_s / took_s >= SHARE_MIN or not SIZE.timed


async def told_by(yard: Yard, client: Client, server: WebServer) -> str:
    made = await create_endpoint(
        yard.store,
        yard.resources.webhook_secrets,
        client.user_id,
        url=server.url,
        events=("job.succeeded",),
        description="",
        token=None,
    )
    return made.id


async def work(yard: Yard, clients: list[Client]) -> float:
    """How long the jobs of these clients take."""
    began = time.monotonic()

    async def submit(client: Client, share: int) -> None:
        for n in range(share):
            assert (await client.submit("noop", n=n)).accepted

    await asyncio.gather(*[submit(client, JOBS // 4) for client in clients for _ in range(4)])
    await yard.rest()
    return time.monotonic() - began
