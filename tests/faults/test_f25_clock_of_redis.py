"""F25: the clock of Redis is set back and forward, by minutes and by an hour, under load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.faults.api_process import api_process
from tests.faults.checkers import check_all
from tests.faults.figures import FIGURES, percentile
from tests.faults.fleet import Worker
from tests.faults.history import JOBS, Client
from tests.faults.load import LEASE_S, produce
from tests.faults.site import Site, environment, site
from tests.faults.size import SIZE
from tests.faults.wall_clock import WallClock
from tests.faults.yard import Yard, yard
from tests.patience import PATIENCE_S
from tests.servers import S3Server

#: By how many seconds it is set, each time from what it says then.
STEPS_S = (-3_600, 300, 3_600, -300) * SIZE.clock_rounds
SUBMITS = 6
LATER_S = 7_200


@pytest.fixture
def wall_clock(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path)


@pytest.fixture
def stepping_site(tmp_path: Path, s3: S3Server, wall_clock: WallClock) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    with site(folder, s3, redis_program=wall_clock.redis) as started:
        yield started


class Run:
    """The load, and what each step of the clock did to it."""

    def __init__(self, at: Yard, client: Client, clock: WallClock) -> None:
        self.yard = at
        self.client = client
        self.clock = clock
        self.next_job_s: list[float] = []
        self.rescue_s: list[float] = []
        self.turn_s: list[float] = []

    async def step(self, by_s: int, number: int) -> None:
        """A worker dies and the clock is set in the same moment: only its jobs lose anything."""
        doomed = await self.yard.fleet.start(worker_queues="net")
        held = await self._jobs_of(doomed, number)
        await doomed.kill()
        self.clock.set(self.clock.ahead_s + by_s)
        began = time.monotonic()
        await self._ends(await self.client.insist("noop", f"after-{number}"))
        self.next_job_s.append(time.monotonic() - began)
        for job_id in held:
            await self._ends(job_id)
        self.rescue_s.append(time.monotonic() - began)
        await self._somebody_sweeps()
        self.turn_s.append(time.monotonic() - began)

    async def _jobs_of(self, doomed: Worker, number: int) -> list[str]:
        """Jobs that it, and perhaps others, run when it dies."""
        ms = int(LEASE_S * 1_000)
        jobs = [await self.client.insist("sleep", f"held-{number}-{n}", ms=ms, again_ms=1) for n in range(4)]
        async with asyncio.timeout(SIZE.within_s):
            while not doomed.works or "running" not in [(await self.client.look(job))["status"] for job in jobs]:
                await asyncio.sleep(0.05)
        return jobs

    async def _ends(self, job_id: str) -> None:
        """In a minute, which is far less than the clock was set by."""
        async with asyncio.timeout(SIZE.within_s):
            while (job := await self.client.look(job_id))["status"] != "succeeded":
                assert job["status"] in {"queued", "running"}, job
                await asyncio.sleep(0.02)

    async def _somebody_sweeps(self) -> None:
        store = self.yard.store
        async with asyncio.timeout(SIZE.within_s):
            while True:
                holder = (await store.call("GET", store.keys.sweeper) or b"").split(b" ")[0]
                if holder in await store.call("ZRANGE", store.keys.workers, 0, -1):
                    return
                await asyncio.sleep(0.05)


async def test_nothing_is_held_up_and_nobody_is_blamed(
    stepping_site: Site, tmp_path: Path, s3: S3Server, wall_clock: WallClock
) -> None:
    told = environment(stepping_site.redis, s3, stepping_site.backend, rate_limit_enabled=True)
    async with yard(stepping_site, tmp_path, s3, lease_s=LEASE_S) as at:
        with api_process(tmp_path, told) as api:
            async with httpx.AsyncClient(
                base_url=api.url, limits=httpx.Limits(max_connections=64), timeout=PATIENCE_S
            ) as http:
                client, busy = [await client_of(at, http, slots=8) for _ in range(2)]
                hasty = await client_of(at, http, submits_per_minute=SUBMITS)
                await at.fleet.start_many(2)
                run = Run(at, client, wall_clock)
                later = await schedule(client, LATER_S)
                producing = asyncio.create_task(produce(busy, 0))
                for number, by_s in enumerate(STEPS_S):
                    await run.step(by_s, number)
                    await check_the_bucket(hasty)
                producing.cancel()
                await asyncio.gather(producing, return_exceptions=True)
                assert (await client.look(later))["status"] == "scheduled", "not before its time"
                await client.call("POST", f"{JOBS}/{later}/cancel", route=f"{JOBS}/{{id}}/cancel")
                await at.rest()
        seen = await at.evidence()

    check_all(replace(seen, counted=None))  # another process counted
    limited = [call for call in seen.history.calls if call.status == 429 and call.user != hasty.user_id]
    assert limited == []
    assert all(float(call.retry_after or 0) <= 60 for call in seen.history.calls if call.status == 429)
    jobs = {job_id: job for job_id, job in seen.dump.jobs().items() if job_id != later}
    assert {job.status for job in jobs.values()} == {"succeeded"}
    crashes = sum(job.crashes for job in jobs.values())
    assert crashes <= 4 * len(STEPS_S), "only what a killed worker ran has crashed"
    assert {job.failures for job in jobs.values()} == {0}
    took_s = [call.took_s for call in seen.history.submissions() if call.accepted]
    FIGURES.note("F25", "steps; jobs, crashes counted", f"{len(STEPS_S)}; {len(jobs)}, {crashes}")
    FIGURES.note("F25", "submissions, p99, s", f"{len(took_s)}, {percentile(took_s, 99):.3f}")
    FIGURES.note("F25", "next job done after a step, max, s", f"{max(run.next_job_s):.2f}")
    FIGURES.note("F25", "jobs of the dead worker done after, max, s", f"{max(run.rescue_s):.2f}")
    FIGURES.note("F25", "turn taken over after, max, s", f"{max(run.turn_s):.2f}")


async def client_of(at: Yard, http: httpx.AsyncClient, **limits: int) -> Client:
    made = await at.client(**limits)
    return Client(http, at.history, made.user_id, made.secret)


async def schedule(client: Client, ahead_s: int) -> str:
    """A job for later."""
    run_at = (datetime.now(UTC) + timedelta(seconds=ahead_s)).isoformat()
    call = await client.call("POST", JOBS, {"kind": "noop", "input": {}, "run_at": run_at})
    assert call.accepted, call
    return str(call.body["id"])


async def check_the_bucket(hasty: Client) -> None:
    """It holds as many as it holds; who has emptied it before waits for its own window at most."""
    calls = [await hasty.submit("noop") for _ in range(SUBMITS + 1)]
    assert {call.status for call in calls} <= {202, 429}
    assert calls[-1].status == 429
    assert 0 < float(calls[-1].retry_after or 0) <= 60 / SUBMITS + 1
