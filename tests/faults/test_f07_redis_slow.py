"""F7: Redis is slow, or the links to it are cut, for the API and for workers, under load."""

from __future__ import annotations

import asyncio
import random

from tests.faults.checkers import check_all
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES, percentile
from tests.faults.load import LEASE_S, healthy_again, produce, settled, under_way
from tests.faults.servers import link
from tests.faults.site import Site
from tests.faults.size import SIZE

PRODUCERS = 2
SLOW_FOR_S = 10.0 if SIZE.timed else 1.0


async def test_a_slow_or_cut_redis_costs_time_and_nothing_else(open_yard: OpenYard, whole_site: Site) -> None:
    back_s: list[float] = []
    async with link(whole_site.redis.port) as wire:
        there = whole_site.redis.url.replace(str(whole_site.redis.port), str(wire.port))
        async with open_yard(api={"redis_url": there}, redis_url=there, lease_s=LEASE_S) as yard:
            client, pids = await under_way(yard)
            producing = [asyncio.create_task(produce(client, n)) for n in range(PRODUCERS)]
            for slow_s in SIZE.slow_s:
                wire.delay_s = slow_s
                await asyncio.sleep(SLOW_FOR_S)
                wire.delay_s = 0.0
                back_s.append(await healthy_again(yard, client))
            for _ in range(SIZE.cuts):
                wire.cut()
                await asyncio.sleep(random.uniform(0.1, 0.5))
                wire.mend()
                back_s.append(await healthy_again(yard, client))
            seen = await settled(yard, producing, pids)

    check_all(seen)
    jobs = seen.dump.jobs().values()
    assert {(job.status, job.failures) for job in jobs} == {("succeeded", 0)}
    answered_s = [call.took_s for call in seen.history.submissions() if call.status is not None]
    FIGURES.note("F7", "jobs acknowledged, lost, worker restarts", f"{len(seen.history.acknowledged())}, 0, 0")
    FIGURES.note("F7", "submissions answered in, p99 / max, s",
                 f"{percentile(answered_s, 99):.2f} / {max(answered_s):.2f}")  # fmt: skip
    FIGURES.note("F7", "well again after, max, s", f"{max(back_s):.2f}")
