"""F6: Redis is out of memory. Nothing new is taken, what runs still ends, and callers read and cancel."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.faults.checkers import check_all
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES
from tests.faults.history import JOBS
from tests.faults.size import SIZE
from tests.faults.yard import Yard

RUNNING = 5


async def test_running_jobs_commit_while_submissions_are_refused(open_yard: OpenYard) -> None:
    async with open_yard(lease_s=3) as yard:
        client = await yard.client(slots=RUNNING)
        await yard.fleet.start()
        running = [(await client.submit("render", ms=1_000)).body["id"] for _ in range(RUNNING)]
        waiting = [(await client.submit("noop")).body["id"] for _ in range(3)]
        await started(yard, running)
        assert yard.site.redis.call("CONFIG", "SET", "maxmemory", "1mb") == b"+OK"

        refused = [await client.submit("noop") for _ in range(5)]
        assert {(call.status, call.body["code"]) for call in refused} == {(503, "store_full")}
        assert (await client.call("GET", JOBS)).status == 200
        canceled = await client.call("DELETE", f"{JOBS}/{waiting.pop()}", route=JOBS + "/{id}")
        assert (canceled.status, canceled.body["status"]) == (200, "canceled")
        async with asyncio.timeout(SIZE.within_s):
            while (await yard.http.get("/ready")).status_code != 503:
                await asyncio.sleep(0.05)
        async with asyncio.timeout(SIZE.within_s):
            while [(await client.look(job_id))["status"] for job_id in running] != ["succeeded"] * RUNNING:
                await asyncio.sleep(0.05)
        assert {(await client.look(job_id))["status"] for job_id in waiting} == {"queued"}

        assert yard.site.redis.call("CONFIG", "SET", "maxmemory", "0") == b"+OK"
        await yard.rest()
        seen = await yard.evidence()

    check_all(seen)
    jobs = seen.dump.jobs().values()
    assert {(job.crashes, job.failures) for job in jobs} == {(0, 0)}
    assert Counter(job.status for job in jobs) == {"succeeded": RUNNING + 2, "canceled": 1}
    FIGURES.note("F6", "out of memory: jobs that ran and committed, submissions refused", f"{RUNNING}, {len(refused)}")


async def test_nobody_is_to_blame_for_a_redis_that_takes_no_writes(open_yard: OpenYard) -> None:
    async with open_yard() as yard:
        client = await yard.client(slots=RUNNING)
        worker = await yard.fleet.start()
        running = [(await client.submit("render", ms=500)).body["id"] for _ in range(RUNNING)]
        await started(yard, running)
        assert yard.site.redis.call("CONFIG", "SET", "min-replicas-to-write", "1") == b"+OK"
        assert (await client.submit("noop")).status == 503
        await asyncio.sleep(3 * SIZE.lease_s)
        assert yard.site.redis.call("CONFIG", "SET", "min-replicas-to-write", "0") == b"+OK"
        await yard.rest()
        assert worker.alive
        seen = await yard.evidence()

    check_all(seen)
    jobs = seen.dump.jobs().values()
    assert {(job.status, job.attempt, job.crashes) for job in jobs} == {("succeeded", 1, 0)}


async def test_a_greedy_client_fills_nothing_and_is_told_why(open_yard: OpenYard) -> None:
    async with open_yard() as yard:
        greedy, other = await yard.client(records_bytes_max=2 * 1024 * 1024), await yard.client()
        await yard.fleet.start()
        before = await used_bytes(yard)
        told: Counter[str] = Counter()
        for size in (9_000_000, 1_000_000) * 6 + (15_000,) * 200:
            order = {"kind": "noop", "input": {}, "metadata": {"a": "x" * size}, "deadline_seconds": 3_600}
            told[(await greedy.call("POST", JOBS, order)).body.get("code", "accepted")] += 1
        assert told.keys() == {"validation_failed", "accepted", "records_exceeded"}
        assert told["validation_failed"] == 12
        assert 100 < told["accepted"] <= 2 * 1024 * 1024 // 15_000
        grown = await used_bytes(yard) - before
        assert grown < 50_000_000
        for client in (greedy, other):
            assert (await client.call("GET", f"{JOBS}?limit=100", route=JOBS)).status == 200
        assert (await other.submit("noop")).accepted
        await yard.rest()
        seen = await yard.evidence()

    check_all(seen)
    FIGURES.note(
        "F6", "greedy metadata: refused, accepted, more memory", f"{told.total() - told['accepted']}, "
        f"{told['accepted']}, {grown / 1e6:.1f} MB"
    )  # fmt: skip


async def used_bytes(yard: Yard) -> int:
    info = (await yard.store.call("INFO", "memory")).decode()
    return int(info.partition("used_memory:")[2].split()[0])


async def started(yard: Yard, job_ids: list[str]) -> None:
    async with asyncio.timeout(SIZE.within_s):
        while len((await yard.backend.tally()).runs) < len(job_ids):
            await asyncio.sleep(0.02)
