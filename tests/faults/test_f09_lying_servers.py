"""F9: servers that lie, each in a way of its own and for good, in one fleet with one that does not."""

from __future__ import annotations

import asyncio
import resource
from contextlib import AsyncExitStack
from pathlib import Path

from libs.embedded.comfyui_standin import Fault, Standin
from tests.faults.checkers import check_all
from tests.faults.conftest import OpenYard
from tests.faults.figures import FIGURES
from tests.faults.size import SIZE
from tests.faults.standins import fleet_file
from tests.faults.yard import Yard

#: Those who keep a caller waiting cost the ten seconds that a call may take.
SLOW_LIES = ("hang", "drip")
LIES = ("status_500", "html", "garbage", "cut", "huge", "huge_declared", *(SLOW_LIES if SIZE.timed else ()))
BREAKER = "failures_in_a_row = 2, open_s = 0.5, open_s_max = 60"
JOBS = 200 if SIZE.timed else 16
GROWTH_BYTES_MAX = 100_000_000


async def test_whoever_lies_draws_no_jobs_and_takes_no_memory(open_yard: OpenYard, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        servers = {lie: Standin(step_ms=1, faults=[Fault(lie)]) for lie in LIES} | {"honest": Standin(step_ms=1)}
        urls = {name: await stack.enter_async_context(one.listening()) for name, one in servers.items()}
        file = fleet_file(tmp_path, {name: (f"http://127.0.0.1:{port}", 2) for name, port in urls.items()}, BREAKER)
        yard = await stack.enter_async_context(
            open_yard(backends_file=file, worker_queues="gpu", arq_worker_concurrency=10)
        )
        client = await yard.client(slots=50)
        worker = await yard.fleet.start()
        async with asyncio.timeout(SIZE.within_s):
            while not worker.works:
                await asyncio.sleep(0.05)
        before = memory_bytes(worker.pid)
        for n in range(JOBS):
            picture = {"prompt": f"lighthouse {n}", "width": 64, "height": 64, "steps": 4, "seed": n}
            await client.insist("generate", f"key-{n}", **picture)
        took_s = await yard.rest()
        grown = memory_bytes(worker.pid) - before
        await all_left_alone(yard)
        seen = await yard.evidence()

    check_all(seen)
    jobs = seen.dump.jobs().values()
    told = [(job.error, job.failures) for job in jobs if job.status != "succeeded"]
    assert not told, told
    assert max(job.failures for job in jobs) <= 1
    assert sum(servers["honest"].prompts.runs.values()) == JOBS
    assert grown < GROWTH_BYTES_MAX
    FIGURES.note("F9", "lying servers, jobs, failed", f"{len(LIES)}, {JOBS}, 0")
    FIGURES.note("F9", "time to finish, s; worker's memory grew by, MB", f"{took_s:.1f}; {grown / 1e6:.0f}")


async def all_left_alone(yard: Yard) -> None:
    """Every breaker opens, by jobs or by probes."""
    async with asyncio.timeout(SIZE.within_s):
        for lie in LIES:
            while not await yard.store.call("HEXISTS", yard.store.keys.breaker + lie, "open_until"):
                await asyncio.sleep(0.05)


def memory_bytes(pid: int) -> int:
    """What a process has in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
