"""Batches while processes die: every item is a job once, the results are whole, the ledger balances."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import orjson

from libs.admission.ledger import differences
from libs.artifacts.storage import stored_bytes
from libs.batches.batch import results_name
from libs.batches.lookup import load_batch
from libs.jobs.lookup import load_job
from libs.webhooks.endpoints import create_endpoint
from tests.faults.checkers import check_all
from tests.faults.conftest import OpenYard
from tests.faults.evidence import stream
from tests.faults.failpoints import KILLED
from tests.faults.figures import FIGURES
from tests.faults.history import Client
from tests.faults.killing import keep_killing, stop_killing
from tests.faults.kinds import QUEUE
from tests.faults.size import SIZE
from tests.faults.yard import Yard
from tests.integration.libs.jobs.invariants import check_at_rest, check_invariants
from tests.integration.libs.jobs.snapshot import take_snapshot

Json = dict[str, Any]

BATCHES = "/api/v1/batches"
ITEMS, LEASE_S = 120, 0.6
AWAY = 503

#: Where a worker dies that looks after batches. The first call of admit_items asks for the room there is.
DEATHS = (
    "after take_batches 1",
    "before admit_items 2",
    "during admit_items 2",
    "after admit_items 2",
    "during put 1",
    "after put 1",
    "after keep_results 1",
    "before close_batch 1",
    "during close_batch 1",
    "after close_batch 1",
)

#: Where a worker dies that makes jobs of items whose results are known: it asks, copies, and asks again.
DEATHS_BESIDE_COPIES = (
    "after admit_items 2",
    "before copy 7",
    "during copy 7",
    "after copy 7",
    "before admit_items 3",
    "during admit_items 3",
    "after admit_items 3",
)

#: An item of each kind, by its number.
ITEM_OF: dict[str, Callable[[int], Json]] = {
    "noop": lambda n: {"n": n},
    "copyable": lambda n: {"n": n, "cache": True},
    "sleep": lambda _: {"ms": 20},
}


async def submit(yard: Yard, client: Client, count: int, kind: str = "noop", **headers: str) -> Json:
    body = {"kind": kind, "items": [ITEM_OF[kind](n) for n in range(count)]}
    said = client.headers | {name.replace("_", "-"): text for name, text in headers.items()}
    answer = await yard.http.post(BATCHES, json=body, headers=said, timeout=60)
    assert answer.status_code == 202, answer.text
    found: Json = answer.json()
    return found


async def look(yard: Yard, client: Client, batch: Json) -> Json:
    answer = await yard.http.get(batch["links"]["self"], headers=client.headers)
    found: Json = answer.json() if answer.status_code != AWAY else batch  # Redis is
    return found


async def until(yard: Yard, client: Client, batch: Json, holds: Callable[[Json], bool]) -> Json:
    deadline = time.monotonic() + SIZE.within_s
    while not holds(found := await look(yard, client, batch)):
        assert time.monotonic() < deadline, f"{found}\n{yard.fleet.logs()}"
        await asyncio.sleep(0.05)
    return found


def over(batch: Json) -> bool:
    return bool(batch["status"] != "running")


async def results(yard: Yard, client: Client, batch: Json) -> list[Json]:
    stored = await load_batch(yard.store, client.user_id, batch["id"])
    data = await yard.resources.objects.get(results_name(stored.prefix), bytes_max=10_000_000)
    return [orjson.loads(line) for line in (data or b"").splitlines()]


async def check_whole(yard: Yard) -> None:
    seen = await take_snapshot(yard.store)
    check_invariants(seen, [QUEUE], int(time.time() * 1000))
    check_at_rest(seen, [QUEUE])
    assert [difference async for difference in differences(yard.store)] == []


async def test_a_worker_may_die_at_any_step_of_a_batch(open_yard: OpenYard) -> None:
    async with open_yard(lease_s=LEASE_S, arq_worker_concurrency=10) as yard:
        client = await yard.client(queued_max=60)
        batches = []
        for death in DEATHS:
            batches.append(await submit(yard, client, ITEMS))
            worker = await yard.fleet.start(arqade_faults_failpoint=death)
            async with asyncio.timeout(SIZE.within_s):
                ending = await asyncio.shield(worker.ended)
            assert ending.status == KILLED, f"{death}\n{yard.fleet.logs()}"
        await yard.fleet.start_many(2)
        for batch in batches:
            ended = await until(yard, client, batch, over)
            assert (ended["status"], ended["counts"]["succeeded"]) == ("finished", ITEMS)
            found = await results(yard, client, batch)
            assert [result["output"]["n"] for result in found] == list(range(ITEMS))
            assert len({result["job_id"] for result in found}) == ITEMS
        await check_whole(yard)


async def test_a_worker_may_die_at_any_step_of_copying_known_results(open_yard: OpenYard) -> None:
    async with open_yard(lease_s=LEASE_S, arq_worker_concurrency=10) as yard:
        client = await yard.client(queued_max=400)
        first = await submit(yard, client, ITEMS, "copyable")
        worker = await yard.fleet.start()
        await until(yard, client, first, over)
        await worker.kill()
        batches = []
        for death in DEATHS_BESIDE_COPIES:
            batches.append(await submit(yard, client, ITEMS, "copyable"))
            worker = await yard.fleet.start(arqade_faults_failpoint=death)
            async with asyncio.timeout(SIZE.within_s):
                ending = await asyncio.shield(worker.ended)
            assert ending.status == KILLED, f"{death}\n{yard.fleet.logs()}"
        await yard.fleet.start_many(2)
        for batch in batches:
            ended = await until(yard, client, batch, over)
            assert (ended["status"], ended["counts"]["succeeded"]) == ("finished", ITEMS)
            for result in await results(yard, client, batch):
                assert (result["cached"], result["output"]) == (True, {"n": result["index"]})
                (file,) = (await load_job(yard.store, client.user_id, result["job_id"])).artifacts
                data = await yard.resources.objects.get(file.object_name, bytes_max=100)
                assert data == str(result["index"]).encode()
        stored = sum(len(str(n)) for n in range(ITEMS)) * (1 + len(batches))
        assert await stored_bytes(yard.store, client.user_id) == stored
        await check_whole(yard)


async def test_an_api_that_dies_while_it_reads_a_batch_leaves_nothing_admitted(open_yard: OpenYard) -> None:
    async with open_yard(lease_s=LEASE_S) as yard:
        client, keys = await yard.client(), yard.store.keys
        doomed = asyncio.create_task(submit(yard, client, 20_000, idempotency_key="once"))
        async with asyncio.timeout(SIZE.within_s):
            while not await yard.store.call("ZCARD", keys.batches_due):
                await asyncio.sleep(0.002)
        yard.site.api.kill()
        with suppress(httpx.TransportError):
            await doomed
        (draft,) = await yard.store.call("ZRANGE", keys.batches_due, 0, -1)
        assert not await yard.store.call("EXISTS", keys.batches + client.user_id)
        assert not await yard.store.call("EXISTS", keys.ledger + client.user_id)
        await yard.site.api.start()
        batches = [await submit(yard, client, 300, idempotency_key="twice") for _ in range(2)]
        assert batches[0]["id"] == batches[1]["id"]
        await yard.store.call("ZADD", keys.batches_due, 1, draft)  # an hour later
        await yard.fleet.start()
        assert (await until(yard, client, batches[0], over))["counts"]["succeeded"] == 300
        async with asyncio.timeout(SIZE.within_s):
            while await yard.store.call("ZSCORE", keys.batches_due, draft) is not None:
                await asyncio.sleep(0.05)
        left = {facts.name.split("/")[4] for facts in await yard.resources.objects.list(f"{client.user_id}/")}
        assert left == {batches[0]["id"]}
        await check_whole(yard)


async def test_a_batch_under_fire_is_whole_and_told_of_once(open_yard: OpenYard) -> None:
    async with open_yard(lease_s=LEASE_S, arq_worker_concurrency=5) as yard:
        client = await yard.client(queued_max=60, slots=10)
        await create_endpoint(
            yard.store,
            yard.resources.webhook_secrets,
            client.user_id,
            url="http://127.0.0.1:9/",
            events=("batch.finished",),
            description="",
            token=None,
        )
        yard.fleet.keep(3)
        batch = await submit(yard, client, SIZE.batch_items, "sleep")
        killing = asyncio.create_task(keep_killing(yard, [], spares=True))
        for _ in range(SIZE.batch_kills):
            await asyncio.sleep(random.uniform(0.3, 1.0))
            yard.site.api.kill()
            await yard.site.api.start()
        yard.site.breaker.kill()
        await asyncio.sleep(random.uniform(0.1, 0.5))
        yard.site.breaker.start()
        ended = await until(yard, client, batch, over)
        await stop_killing(killing)
        assert (ended["status"], ended["counts"]["succeeded"]) == ("finished", SIZE.batch_items)
        assert sum(ended["counts"].values()) == SIZE.batch_items
        found = await results(yard, client, batch)
        assert [result["index"] for result in found] == list(range(SIZE.batch_items))
        assert len({result["job_id"] for result in found}) == SIZE.batch_items
        await yard.rest()
        await check_whole(yard)
        kills = len(yard.fleet.endings)
        seen = await yard.evidence()
    check_all(seen)
    told = [entry for _, entry in stream(seen.dump.values[seen.dump.keys.outbox]) if entry["about"] == batch["id"]]
    assert [entry["event"] for entry in told] == ["batch.finished"]
    FIGURES.note("batch", "items, workers killed, API killed, Redis killed",
                 f"{SIZE.batch_items}, {kills}, {SIZE.batch_kills}, 1")  # fmt: skip


async def test_a_batch_is_canceled_in_the_middle_while_workers_are_killed(open_yard: OpenYard) -> None:
    async with open_yard(lease_s=LEASE_S, arq_worker_concurrency=5) as yard:
        client = await yard.client(queued_max=200)
        yard.fleet.keep(2)
        batch = await submit(yard, client, 600, "sleep")
        await until(yard, client, batch, lambda now: now["counts"]["succeeded"] >= 40)
        await yard.fleet.alive[0].kill()
        answer = await yard.http.post(batch["links"]["cancel"], headers=client.headers)
        assert answer.status_code == 202, answer.text
        await yard.fleet.alive[0].kill()
        ended = await until(yard, client, batch, over)
        assert ended["status"] == "canceled"
        assert sum(ended["counts"].values()) == 600
        assert ended["counts"]["canceled"] >= 400
        found = await results(yard, client, batch)
        assert [result["index"] for result in found] == list(range(600))
        told = {status: sum(result["status"] == status for result in found) for status in ended["counts"]}
        assert told == ended["counts"]
        await yard.rest()
        await check_whole(yard)
