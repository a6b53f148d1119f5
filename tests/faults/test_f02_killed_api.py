"""F2: the API is killed in the middle of requests, and clients ask again under their keys."""

from __future__ import annotations

import asyncio
import random

from tests.faults.checkers import check_all
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES
from tests.faults.size import SIZE
from tests.faults.yard import Yard

AT_ONCE = 8


async def test_there_are_as_many_jobs_as_keys(open_yard: OpenYard) -> None:
    async with open_yard() as yard:
        client = await yard.client()
        await yard.fleet.start()
        keys = iter(range(SIZE.keyed_jobs))
        killing = asyncio.create_task(keep_killing(yard))

        async def submit() -> None:
            for n in keys:
                await client.insist("noop", f"key-{n}", n=n)

        await asyncio.gather(*[submit() for _ in range(AT_ONCE)])
        await killing
        # No key is stuck: each still answers with its job.
        again = {n: await client.insist("noop", f"key-{n}", n=n) for n in range(SIZE.keyed_jobs)}
        await yard.rest()
        seen = await yard.evidence()

    check_all(seen)
    assert len(set(again.values())) == SIZE.keyed_jobs == len(seen.dump.jobs())
    cut = sum(call.status is None for call in seen.history.calls)
    FIGURES.note("F2", "keys, kills of the API, requests cut off", f"{SIZE.keyed_jobs}, {SIZE.api_kills}, {cut}")


async def keep_killing(yard: Yard) -> None:
    for _ in range(SIZE.api_kills):
        await asyncio.sleep(random.uniform(0.02, 0.1))
        yard.site.api.kill()
        await yard.site.api.start()
