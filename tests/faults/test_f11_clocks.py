"""F11: the clocks of the API and of workers are five minutes off. Only Redis's counts."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from tests.faults.api_process import ApiProcess, api_process
from tests.faults.checkers import check_all
from tests.faults.clock import CLOCK
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES
from tests.faults.history import Client
from tests.faults.site import Site, environment
from tests.faults.size import SIZE
from tests.faults.yard import Yard
from tests.patience import PATIENCE_S
from tests.servers import S3Server

AHEAD_S = 300
UNITS, SUBMITS, JOBS = 12, 8, 10
SLOTS = 3


async def test_limits_leases_and_quotas_go_by_the_clock_of_redis(
    open_yard: OpenYard, whole_site: Site, tmp_path: Path, s3: S3Server
) -> None:
    told = environment(whole_site.redis, s3, whole_site.backend, rate_limit_enabled=True)
    async with open_yard(arq_worker_concurrency=SLOTS) as yard:
        with api_process(tmp_path, told | {CLOCK: str(AHEAD_S)}) as api:
            async with httpx.AsyncClient(base_url=api.url, timeout=PATIENCE_S) as http:
                await check_limits(yard, http)
                crashes = await run_some(yard, await client_of(yard, http))
            check_clock(api)
        seen = await yard.evidence()

    check_all(replace(seen, counted=None))  # another process counted
    assert {job.status for job in seen.dump.jobs().values()} == {"succeeded"}
    FIGURES.note("F11", "API and workers off by, s; jobs, crashes counted", f"{AHEAD_S}; {JOBS}, {crashes}")


def check_clock(api: ApiProcess) -> None:
    """That it was wrong: the log goes by it."""
    line = json.loads((api.folder / "api-1.log").read_text().splitlines()[-1])
    assert datetime.fromisoformat(line["at"]) - datetime.now(UTC) > timedelta(seconds=AHEAD_S / 2)


async def client_of(yard: Yard, http: httpx.AsyncClient, **limits: int) -> Client:
    made = await yard.client(**limits)
    return Client(http, yard.history, made.user_id, made.secret)


async def check_limits(yard: Yard, http: httpx.AsyncClient) -> None:
    """A bucket holds what it holds, and its next token comes when it would; so with the day's units."""
    hasty = await client_of(yard, http, submits_per_minute=SUBMITS)
    calls = [await hasty.submit("noop") for _ in range(SUBMITS + 1)]
    assert [call.status for call in calls] == [202] * SUBMITS + [429]
    assert 0 < int(calls[-1].retry_after or 0) <= 60 / SUBMITS + 1
    thrifty = await client_of(yard, http, units_per_day=UNITS)
    calls = [await thrifty.submit("noop") for _ in range(UNITS + 1)]
    assert [call.status for call in calls] == [202] * UNITS + [429]
    created = datetime.fromisoformat((await thrifty.look(calls[0].body["id"]))["created_at"])
    assert abs(created - datetime.now(UTC)) < timedelta(seconds=AHEAD_S / 2)


async def run_some(yard: Yard, client: Client) -> int:
    """Workers that are ahead and behind; one dies. The crashes that were counted: those of its jobs, and no others."""
    ms = int(SIZE.lease_s * 2_000)
    jobs = [await client.insist("sleep", f"key-{n}", ms=ms, again_ms=1) for n in range(JOBS)]
    doomed = await yard.fleet.start(**{CLOCK: -AHEAD_S})
    async with asyncio.timeout(SIZE.within_s):
        while not [job for job in jobs if (await client.look(job))["status"] == "running"]:
            await asyncio.sleep(0.05)
    await yard.fleet.start(**{CLOCK: AHEAD_S})
    await doomed.kill()
    await yard.rest()
    found = [int(await yard.store.call("HGET", yard.store.keys.job + job, "crashes") or 0) for job in jobs]
    assert 1 <= sum(found) <= SLOTS
    assert max(found) == 1
    return sum(found)
