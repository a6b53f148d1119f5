"""Webhooks over real processes, which die: every event arrives, under one id, and is logged once as delivered (I7)."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import defaultdict
from typing import Any

import orjson
import pytest
from standardwebhooks import Webhook

from libs.webhooks.deliveries import list_deliveries
from libs.webhooks.delivery import Delivery
from tests.fakes.web_server import Answer, Asked, answer, web_server
from tests.faults.clock import CLOCK
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES
from tests.faults.history import Client
from tests.faults.size import SIZE
from tests.faults.yard import Yard

HOOKS = "/api/v1/webhooks"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STORY = ["job.queued", "job.running", "job.succeeded"]
JOBS, KILLS = (1_000, 20) if SIZE.timed else (40, 4)
PATIENCE_S = 35.0  # a lease and a little
WRONG_BY_S = 600  # receivers accept five minutes

Json = dict[str, Any]


async def call(yard: Yard, client: Client, method: str, path: str, body: Any = None, **headers: str) -> Json:
    answered = await yard.http.request(method, path, json=body, headers=client.headers | headers)
    assert answered.status_code < 300, answered.text
    found: Json = answered.json()
    return found


async def until(yard: Yard, holds: Any, within_s: float = SIZE.within_s) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not in time\n{yard.fleet.logs()}"
        await asyncio.sleep(0.02)


async def log_of(yard: Yard, hook: str) -> list[Delivery]:
    """All that was and is to be delivered to an endpoint."""
    found, before = list[Delivery](), ""
    while True:
        page, more = await list_deliveries(yard.store, hook, limit=500, before=before)
        found += page
        if more is None:
            return found
        before = more


async def lapse(yard: Yard) -> None:
    """As if every lease had run out: of couriers that live as well as of those that died."""
    store, keys = yard.store, yard.store.keys
    for flight in await store.call("KEYS", f"{keys.receiver_flight}*"):
        for delivery in await store.call("ZRANGE", flight, 0, -1):
            await store.call("ZADD", flight, "XX", 1, delivery)
            receiver = await store.call("HGET", keys.delivery + delivery.decode(), "receiver")
            if receiver is not None:
                await store.call("ZADD", keys.receiver_queue + receiver.decode(), "XX", 1, delivery)
    for receiver in await store.call("ZRANGE", keys.receivers, 0, -1):
        await store.call("ZADD", keys.receivers, "XX", 1, receiver)


async def outlast(yard: Yard) -> None:
    """Until what a dead courier had is free again; a small run does not wait for that."""
    await (asyncio.sleep(PATIENCE_S) if SIZE.timed else lapse(yard))


def told(asked: Asked) -> Json:
    body: Json = orjson.loads(asked.body)
    return body


async def test_a_batch_tells_the_account_and_its_own_receiver_when_it_is_over(open_yard: OpenYard) -> None:
    async with web_server(lambda _: answer(204)) as server, open_yard(webhook_slots=4) as yard:
        client = await yard.client()
        hook = await call(
            yard,
            client,
            "POST",
            HOOKS,
            {"url": f"{server.url}/account", "events": ["batch.finished"], "bearer_token": "for-the-account"},
        )
        own = {"url": f"{server.url}/own", "bearer_token": "for-this-batch"}
        body = {"kind": "noop", "items": [{"n": n} for n in range(3)], "webhook": own}
        batch = await call(yard, client, "POST", "/api/v1/batches", body, traceparent=TRACE)
        await yard.fleet.start(**{CLOCK: WRONG_BY_S})
        await until(yard, lambda: len(server.asked) >= 2)
        shown = await call(yard, client, "GET", batch["links"]["self"])
        secrets = {
            "/account": hook["secret"],
            "/own": (await call(yard, client, "GET", f"{HOOKS}/default/secret"))["secret"],
        }
        await yard.fleet.stop()
        logs = {hook["id"]: await log_of(yard, hook["id"]), "default": await log_of(yard, client.user_id)}

    assert {asked.path: asked.headers["authorization"] for asked in server.asked} == {
        "/account": "Bearer for-the-account",
        "/own": "Bearer for-this-batch",
    }
    for asked in server.asked:
        Webhook(secrets[asked.path]).verify(asked.body.decode(), dict(asked.headers))
        assert asked.headers["traceparent"] == TRACE
        said = told(asked)
        assert (said["type"], said["data"]["sequence"]) == ("batch.finished", 0)
        assert said["data"] | {"results": None} == {**shown, "sequence": 0, "results": None}
        assert said["data"]["results"]["sha256"] == shown["results"]["sha256"]
    assert len({asked.headers["webhook-id"] for asked in server.asked}) == 2
    for entries in logs.values():
        (entry,) = entries
        assert (entry.event, entry.about, entry.status) == ("batch.finished", batch["id"], "delivered")
        assert [attempt.status for attempt in entry.attempts] == [204]


@pytest.mark.parametrize("loss", ["killed", "frozen"])
async def test_what_a_lost_worker_was_delivering_is_delivered_by_another(open_yard: OpenYard, loss: str) -> None:
    """Killed, it says nothing more. Frozen, it wakes up later, gets its answer, and is fenced."""
    released = asyncio.Event()

    async def late(writer: asyncio.StreamWriter) -> None:
        await released.wait()
        await answer(200)(writer)

    answers: list[Answer] = [late]
    async with (
        web_server(lambda _: answers.pop() if answers else answer(204)) as server,
        open_yard(webhook_slots=4) as yard,
    ):
        client = await yard.client()
        hook = await call(yard, client, "POST", HOOKS, {"url": server.url, "events": ["job.succeeded"]})
        lost = await yard.fleet.start()
        job = await call(yard, client, "POST", "/api/v1/jobs", {"kind": "noop", "input": {}}, traceparent=TRACE)
        await until(yard, lambda: len(server.asked) == 1)
        lost.send(signal.SIGKILL if loss == "killed" else signal.SIGSTOP)
        other = await yard.fleet.start()
        await until(yard, lambda: other.works)
        due = float(await yard.store.call("ZSCORE", yard.store.keys.receivers, hook["id"]) or 0)
        assert due > time.time() * 1000, "the lease holds: nobody else has it yet"
        await outlast(yard)
        await until(yard, lambda: len(server.asked) == 2)
        released.set()
        await other.stop()
        lost.send(signal.SIGCONT)
        if loss == "frozen":  # it has found out when it delivers something new
            await call(yard, client, "POST", "/api/v1/jobs", {"kind": "noop", "input": {"n": 1}})
            await until(yard, lambda: len(server.asked) == 3)
        await yard.fleet.stop()
        log = {entry.about: entry for entry in await log_of(yard, hook["id"])}

    first, second = server.asked[:2]
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    for asked in (first, second):
        Webhook(hook["secret"]).verify(asked.body.decode(), dict(asked.headers))
        assert asked.headers["traceparent"] == TRACE
        assert (told(asked)["data"]["id"], told(asked)["type"]) == (job["id"], "job.succeeded")
    assert (log[job["id"]].id, log[job["id"]].status) == (first.headers["webhook-id"], "delivered")
    assert [attempt.status for attempt in log[job["id"]].attempts] == [204], "of the one that was lost nothing is told"
    assert len(log) == len(server.asked) - 1


async def test_every_event_arrives_under_one_id_while_workers_are_killed(open_yard: OpenYard) -> None:
    async def slowly(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.15)  # so that who is killed has something under way
        await answer(204)(writer)

    async with web_server(lambda _: slowly) as server, open_yard(webhook_slots=8) as yard:
        client = await yard.client(queued_max=2 * JOBS)
        hook = await call(yard, client, "POST", HOOKS, {"url": server.url, "events": STORY})
        yard.fleet.keep(3)
        await asyncio.gather(*[client.insist("noop", f"key-{n}", n=n) for n in range(JOBS)])
        for _ in range(KILLS):
            await asyncio.sleep(random.uniform(*SIZE.kill_every_s))
            if alive := [worker for worker in yard.fleet.alive if worker.works]:
                await random.choice(alive).kill()
                if not SIZE.timed:
                    await lapse(yard)
        await yard.rest()
        await until_quiet(yard, hook["id"])
        await yard.fleet.stop()
        log = await log_of(yard, hook["id"])
        left = [key for name in ("queue", "flight") for key in await keys_left(yard, name)]

    ids: dict[tuple[str, int], set[str]] = defaultdict(set)
    for asked in server.asked:
        said = told(asked)
        ids[said["data"]["id"], said["data"]["sequence"]].add(asked.headers["webhook-id"])
    assert all(len(found) == 1 for found in ids.values()), "one event, one id"
    assert len(set().union(*ids.values())) == len(ids), "one id, one event"
    arrived: dict[str, set[str]] = defaultdict(set)
    for asked in server.asked:
        arrived[told(asked)["data"]["id"]].add(told(asked)["type"])
    assert arrived == {job_id: set(STORY) for job_id in yard.history.acknowledged()}
    assert {entry.status for entry in log} == {"delivered"}
    logged = [(entry.about, entry.sequence) for entry in log]
    assert len(logged) == len(set(logged))
    assert set(logged) <= ids.keys()  # the log keeps a thousand that ended
    assert len(logged) == min(len(ids), 1_000)
    assert left == []
    FIGURES.note("I7", "events, requests, kills", f"{len(ids)}, {len(server.asked)}, {KILLS}")


async def until_quiet(yard: Yard, hook: str) -> None:
    """Until nothing is on its way any more."""
    store, keys = yard.store, yard.store.keys
    deadline = time.monotonic() + SIZE.within_s
    while await store.call("XLEN", keys.outbox) or await store.call("ZCARD", keys.receiver_queue + hook):
        assert time.monotonic() < deadline, yard.fleet.logs()
        if not SIZE.timed:
            await lapse(yard)
        await asyncio.sleep(0.2)


async def keys_left(yard: Yard, what: str) -> list[str]:
    head = {"queue": yard.store.keys.receiver_queue, "flight": yard.store.keys.receiver_flight}[what]
    return [key.decode() for key in await yard.store.call("KEYS", f"{head}*")]
