"""F13: a worker is told to leave while something that it waits for hangs. It leaves all the same."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.web_server import web_server
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES
from tests.faults.fleet import Worker
from tests.faults.history import Client
from tests.faults.servers import breakable_objects
from tests.faults.site import site
from tests.faults.size import SIZE
from tests.faults.yard import Yard, yard

FAREWELL_S = 2.0
#: Long before what hangs would be over.
LEAVES_S = SIZE.restart_grace_s + (FAREWELL_S if SIZE.timed else 30.0)


async def running(at: Yard, client: Client, kind: str, **wanted: Any) -> Worker:
    """A worker that is at a job of this kind."""
    worker = await at.fleet.start()
    job_id = await client.insist(kind, "stuck", **wanted)
    async with asyncio.timeout(SIZE.within_s):
        while (await client.look(job_id))["status"] != "running":
            await asyncio.sleep(0.02)
    return worker


async def leaves(worker: Worker, what: str) -> None:
    began = time.monotonic()
    ending = await worker.stop(within_s=LEAVES_S + 5)
    took_s = time.monotonic() - began
    assert ending.status == 0, worker.log.read_text()
    assert took_s <= LEAVES_S, worker.log.read_text()
    FIGURES.note("F13", f"exit (grace {SIZE.restart_grace_s:g} s) while {what} hangs, s", f"{took_s:.2f}")


@pytest.mark.parametrize("how", ["thread", "child", "deaf"])
async def test_a_thread_a_child_or_a_deaf_handler_holds_nobody(open_yard: OpenYard, how: str) -> None:
    """A thread is what a look-up of a name hangs in."""
    async with open_yard(drain_grace_s=SIZE.restart_grace_s) as at:
        client = await at.client()
        await leaves(await running(at, client, "stuck", how=how), f"a {how}")


async def test_a_backend_that_does_not_answer_holds_nobody(open_yard: OpenYard) -> None:
    async with open_yard(drain_grace_s=SIZE.restart_grace_s) as at:
        client = await at.client()
        await leaves(await running(at, client, "render", ms=90_000, size=100), "the backend")


async def test_a_frozen_object_store_holds_nobody(tmp_path: Path) -> None:
    with breakable_objects(tmp_path) as (s3, breaker), site(tmp_path, s3) as whole:
        async with partial(yard, whole, tmp_path, s3)(drain_grace_s=SIZE.restart_grace_s) as at:
            client = await at.client()
            worker = await running(at, client, "render", ms=500, size=1_000)
            breaker.freeze()
            await asyncio.sleep(1.0)  # the picture is drawn, and on its way
            try:
                await leaves(worker, "the object store")
            finally:
                breaker.thaw()


async def test_a_receiver_that_does_not_answer_holds_nobody(open_yard: OpenYard) -> None:
    silent = asyncio.Event()

    async def never(_writer: asyncio.StreamWriter) -> None:
        await silent.wait()

    async with (
        web_server(lambda _: never) as server,
        open_yard(drain_grace_s=SIZE.restart_grace_s, webhook_slots=4) as at,
    ):
        client = await at.client()
        await client.call("POST", "/api/v1/webhooks", {"url": server.url, "events": ["job.succeeded"]})
        worker = await at.fleet.start()
        await client.insist("noop", "told")
        async with asyncio.timeout(SIZE.within_s):
            while not server.asked:
                await asyncio.sleep(0.02)
        await leaves(worker, "a receiver")
        silent.set()
