"""F17: one user submits more than can be worked off; the others hardly notice."""

from __future__ import annotations

import asyncio
import time

from libs.jobs.lookup import load_job
from libs.store.client import Store
from tests.fakes.callers import make_caller, submit
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES, percentile
from tests.faults.kinds import QUEUE
from tests.faults.size import SIZE

AT_ONCE = 32
SLOTS = 5
JOB_MS = 200
ADMISSION_S_MAX = 0.05


async def test_another_users_first_job_waits_for_one_running_job_at_most(open_yard: OpenYard) -> None:
    async with open_yard(arq_worker_concurrency=SLOTS) as yard:
        store, flooder = yard.store, make_caller(slots=SLOTS, queued_max=SIZE.flood)
        await yard.fleet.start()
        await wait_of_a_newcomer(store)  # the worker has begun
        alone_s = await wait_of_a_newcomer(store)
        took_s = await flood(store, flooder)
        await asyncio.sleep(1)
        waits_s = [await wait_of_a_newcomer(store) for _ in range(3)]
        ran = SIZE.flood + 5 - await yard.unfinished()
        for ending in await yard.fleet.stop():
            assert ending.status == 0

    assert ran < SIZE.flood, "the newcomers came before its end"
    assert max(waits_s) <= alone_s + JOB_MS / 1000 + 0.1 or not SIZE.timed
    FIGURES.note("F17", "jobs at once by one user, run so far", f"{SIZE.flood}, {ran}")
    FIGURES.note("F17", "a newcomer's wait, alone / in the flood, s", f"{alone_s:.3f} / {max(waits_s):.3f}")
    FIGURES.note("F17", f"admission, {AT_ONCE} at once, p50 / p99, ms",
                 f"{percentile(took_s, 50) * 1000:.1f} / {percentile(took_s, 99) * 1000:.1f}")  # fmt: skip
    assert percentile(took_s, 99) < ADMISSION_S_MAX or not SIZE.timed


async def flood(store: Store, flooder: object) -> list[float]:
    """How long each admission took."""
    took_s: list[float] = []
    left = iter(range(SIZE.flood))

    async def submit_some() -> None:
        for _ in left:
            began = time.perf_counter()
            await submit(store, flooder, kind="sleep", queue=QUEUE, input={"ms": JOB_MS})  # type: ignore[arg-type]
            took_s.append(time.perf_counter() - began)

    await asyncio.gather(*[submit_some() for _ in range(AT_ONCE)])
    return took_s


async def wait_of_a_newcomer(store: Store) -> float:
    """From the submission of a user's first job to its start, seconds of Redis's clock."""
    caller = make_caller()
    job_id = (await submit(store, caller, kind="noop", queue=QUEUE, input={"n": 0})).job_id
    async with asyncio.timeout(SIZE.within_s):
        while (job := await load_job(store, caller.user_id, job_id)).started_at_ms is None:
            await asyncio.sleep(0.01)
    return (job.started_at_ms - job.created_at_ms) / 1000
