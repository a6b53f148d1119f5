"""F4: Redis is killed and started again, or stands still, under load. Nobody is to blame for it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from tests.faults.checkers import check_all
from tests.faults.conftest import OpenYard
from tests.faults.evidence import Evidence
from tests.faults.figures import FIGURES, percentile
from tests.faults.history import Client
from tests.faults.load import LEASE_S, healthy_again, produce, settled, under_way
from tests.faults.size import SIZE
from tests.faults.yard import Yard

PRODUCERS = 4
REFUSED_WITHIN_S = 1.0 if SIZE.timed else SIZE.within_s


async def test_no_acknowledged_job_is_lost_when_redis_is_killed(open_yard: OpenYard) -> None:
    back_s: list[float] = []
    async with open_yard(lease_s=LEASE_S) as yard:
        client, pids = await under_way(yard)
        producing = [asyncio.create_task(produce(client, n)) for n in range(PRODUCERS)]
        for _ in range(SIZE.redis_kills):
            await asyncio.sleep(random.uniform(0.5, 1.5))
            yard.site.breaker.kill()
            await refused_in_time(client)
            yard.site.breaker.start()
            back_s.append(await healthy_again(yard, client))
        seen = await settled(yard, producing, pids)

    nobody_is_to_blame(seen)
    refused_s = [call.took_s for call in seen.history.calls if call.status == 503]
    FIGURES.note("F4", "kills, jobs acknowledged, lost", f"{SIZE.redis_kills}, {len(seen.history.acknowledged())}, 0")
    FIGURES.note("F4", "503 answered in, p99 / max, s", f"{percentile(refused_s, 99):.2f} / {max(refused_s):.2f}")
    FIGURES.note("F4", "healthy after Redis answers, max, s", f"{max(back_s):.2f}")


@pytest.mark.parametrize("outage_s", SIZE.outages_s)
@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_workers_live_through_an_outage(open_yard: OpenYard, outage_s: float, how: str) -> None:
    async with open_yard(lease_s=LEASE_S) as yard:
        client, pids = await under_way(yard)
        long = [(await client.submit("render", ms=int(outage_s * 1000) + 500, size=100)).body["id"] for _ in range(4)]
        producing = [asyncio.create_task(produce(client, n)) for n in range(2)]
        await asyncio.sleep(0.5)
        began, ended = breaking(yard, how)
        began()
        await refused_in_time(client)
        await asyncio.sleep(outage_s)
        ended()
        back_s = await healthy_again(yard, client)
        seen = await settled(yard, producing, pids)

    nobody_is_to_blame(seen)
    assert {seen.dump.jobs()[job_id].attempt for job_id in long} == {1}
    FIGURES.note("F4", f"{outage_s:g} s of Redis {how}: healthy after, s", f"{back_s:.2f}")


def breaking(yard: Yard, how: str) -> tuple[Callable[[], None], Callable[[], None]]:
    if how == "frozen":
        return yard.site.breaker.freeze, yard.site.breaker.thaw
    return yard.site.breaker.kill, yard.site.breaker.start


async def refused_in_time(client: Client) -> None:
    """While Redis is away: 503 and Retry-After (which I10 checks), within a second."""
    for _ in range(3):
        call = await client.submit("noop")
        assert call.status == 503, call
        assert call.took_s < REFUSED_WITHIN_S, call
        assert call.body["code"] == "dependency_unavailable"


def nobody_is_to_blame(seen: Evidence) -> None:
    check_all(seen)
    jobs = seen.dump.jobs()
    blamed = {i: (job.crashes, job.failures) for i, job in jobs.items() if job.crashes or job.failures}
    assert not blamed
    assert {job.status for job in jobs.values()} == {"succeeded"}
