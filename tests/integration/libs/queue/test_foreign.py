"""Foreign jobs that nobody can run: they die like ours, and come back when an admin says so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import Job as ArqJob
from arq.worker import func

from libs.access.plans import Plans
from libs.admission.replay import replay_dead
from libs.errors import Refusal
from libs.jobs.dead import Dead, list_dead
from libs.jobs.lifecycle import Claim, Held, claim, renew
from libs.queue.running import Running
from libs.store.client import Store
from tests.fakes.callers import QUEUE_RULE
from tests.integration.libs.queue.conftest import StartWorker
from tests.patience import PATIENCE_S

#: Run out when the next claim comes.
NO_LEASE_S = 0.001
CRASHES_MAX = 3


async def run_none(_running: Running) -> None:
    raise AssertionError("no job of ours is here")


async def lose(store: Store) -> tuple[Claim, ...]:
    """Claim what there is, as a worker that dies right away."""
    while True:
        claims = await claim(store, "lost", ["default"], 5, NO_LEASE_S, newcomer=True)
        if claims.jobs:
            return claims.jobs
        await asyncio.sleep(NO_LEASE_S)


async def enqueue(pool: ArqRedis, function: str = "work") -> ArqJob:
    job = await pool.enqueue_job(function)
    assert isinstance(job, ArqJob)
    return job


async def the_dead(store: Store) -> list[Dead]:
    async with asyncio.timeout(PATIENCE_S):
        while not (dead := await list_dead(store, limit=10)):
            await asyncio.sleep(0.01)
    return dead


async def work(ctx: dict[Any, Any]) -> str:
    return "done"


async def test_what_killed_its_workers_is_buried_told_of_and_brought_back_by_a_replay(
    store: Store, pool: ArqRedis, start_worker: StartWorker
) -> None:
    job = await enqueue(pool)
    for crashes in range(CRASHES_MAX):
        (claimed,) = await lose(store)
        assert (claimed.alone, claimed.given_up) == (crashes == CRASHES_MAX - 1, False)
    await start_worker(run_none, (func(work, name="work"),))
    (dead,) = await the_dead(store)
    assert (dead.job.user_id, dead.job.kind, dead.job.crashes) == ("foreign", "work", CRASHES_MAX)
    assert dead.job.error is not None
    assert dead.job.error["code"] == "worker_lost"
    with pytest.raises(Exception, match="every worker that ran it was lost"):
        await job.result(timeout=PATIENCE_S, poll_delay=0.02)
    assert await store.call("KEYS", f"*{job.job_id}") == [f"arq:result:{job.job_id}".encode()]

    again = await replay_dead(store, Plans(), QUEUE_RULE, dead.job.id)
    assert (again.status, again.error) == ("queued", None)
    assert await job.result(timeout=PATIENCE_S, poll_delay=0.02) == "done"
    assert await list_dead(store, limit=10) == []
    with pytest.raises(Refusal, match="not_found"):
        await replay_dead(store, Plans(), QUEUE_RULE, dead.job.id)


async def test_an_ending_forgets_the_crashes_before_it(store: Store, pool: ArqRedis, start_worker: StartWorker) -> None:
    job = await enqueue(pool)
    for _ in range(CRASHES_MAX - 1):
        await lose(store)
    await start_worker(run_none, (func(work, name="work"),))
    assert await job.result(timeout=PATIENCE_S, poll_delay=0.02) == "done"
    assert await store.call("EXISTS", store.keys.foreign + job.job_id) == 0
    assert await list_dead(store, limit=10) == []


async def test_the_last_attempt_runs_alone_so_that_a_poison_takes_no_neighbor_with_it(
    store: Store, pool: ArqRedis
) -> None:
    poison = (await enqueue(pool)).job_id
    for _ in range(CRASHES_MAX - 1):
        await lose(store)
    await asyncio.sleep(NO_LEASE_S * 50)  # the lease has run out, by whatever clock, before the neighbor is due
    await enqueue(pool)
    busy = await claim(store, "busy", ["default"], 5, 30, running=["something"], newcomer=True)
    assert (busy.jobs, busy.makes_room) == ((), True)
    idle = await claim(store, "idle", ["default"], 5, 30, newcomer=True)
    assert [(claimed.job_id, claimed.alone) for claimed in idle.jobs] == [(poison, True)]


async def test_an_outage_is_nobodys_crash(store: Store, pool: ArqRedis) -> None:
    job, lease_s = await enqueue(pool), 0.2
    (held,) = (await claim(store, "w1", ["default"], 5, lease_s)).jobs
    leases = [Held(held.queue, held.job_id, held.fence)]
    await renew(store, leases, lease_s, queues=["default"])
    await asyncio.sleep(lease_s * 1.5)  # nobody is heard meanwhile
    assert (await claim(store, "w2", ["default"], 5, lease_s)).jobs == ()
    assert await renew(store, leases, lease_s, queues=["default"]) == {}
    assert await store.call("GET", store.keys.foreign + job.job_id) == b"1"


async def test_what_is_no_payload_of_ours_is_buried_at_once(
    store: Store, pool: ArqRedis, start_worker: StartWorker
) -> None:
    job = await enqueue(pool)
    await store.call("SET", store.keys.arq_job + job.job_id, b"\x80\x04}\x94.")  # a pickle, ARQ's own way
    await start_worker(run_none)
    (dead,) = await the_dead(store)
    assert dead.job.error is not None
    assert (dead.job.error["code"], dead.job.kind, dead.job.crashes) == ("payload_unreadable", "unknown", 0)
    with pytest.raises(Exception, match="serializer"):
        await job.result(timeout=PATIENCE_S, poll_delay=0.02)


async def test_what_a_newer_version_wrote_waits_for_its_worker(
    store: Store, pool: ArqRedis, start_worker: StartWorker
) -> None:
    job = await enqueue(pool)
    payload: bytes = await store.call("GET", store.keys.arq_job + job.job_id)
    await store.call("SET", store.keys.arq_job + job.job_id, payload.replace(b"\xa1v\x01", b"\xa1v\x63"))
    await start_worker(run_none, (func(work, name="work"),))
    now_ms = int((await store.call("TIME"))[0]) * 1000
    async with asyncio.timeout(PATIENCE_S):
        while float(await store.call("ZSCORE", "arq:queue", job.job_id)) < now_ms + 5_000:
            await asyncio.sleep(0.01)
    assert await list_dead(store, limit=10) == []
    assert await store.call("EXISTS", store.keys.foreign + job.job_id) == 0
