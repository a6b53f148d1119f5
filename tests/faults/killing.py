"""The hand that kills workers, one after the other, while a run goes on."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from contextlib import suppress

from libs.errors import Unavailable
from tests.faults.fleet import Worker
from tests.faults.size import SIZE
from tests.faults.yard import Yard

__all__ = ["keep_killing", "stop_killing"]

#: A job that loses its worker once more after that is given up, as it should be.
_LOSSES_MAX = 2


#: Of the workers that have no job when they are picked, so many are killed all the same.
_IDLE_KILLED = 0.3


async def keep_killing(yard: Yard, losses: list[tuple[str, float]], *, spares: bool = False) -> None:
    """Note which job was lost when, in seconds since the epoch; `spares` whoever runs a job that was lost twice."""
    while True:
        await asyncio.sleep(random.uniform(*SIZE.kill_every_s))
        with suppress(Unavailable):  # Redis may be broken, too
            if yard.fleet.alive:
                worker = random.choice(yard.fleet.alive)
                if spares and await _runs_a_last_attempt(yard, worker):
                    continue
                if not await _jobs_of(yard, worker) and random.random() > _IDLE_KILLED:
                    continue  # on a slow machine it starts, and would never get any further
                # Frozen first: on a busy machine its leases may be over by the time that its death is known.
                frozen_at = time.time()
                worker.send(signal.SIGSTOP)
                try:
                    losses += [(job_id, frozen_at) for job_id in await _jobs_of(yard, worker)]
                finally:
                    await worker.kill()


async def stop_killing(killing: asyncio.Task[None]) -> None:
    """Whoever is being killed is dead by then."""
    killing.cancel()
    with suppress(asyncio.CancelledError):
        await killing


async def _runs_a_last_attempt(yard: Yard, worker: Worker) -> bool:
    store = yard.store
    jobs = await _jobs_of(yard, worker)
    crashes = await asyncio.gather(*[store.call("HGET", store.keys.job + job_id, "crashes") for job_id in jobs])
    return any(int(count or 0) >= _LOSSES_MAX for count in crashes)


async def _jobs_of(yard: Yard, worker: Worker) -> list[str]:
    """The jobs whose leases a process has, or left behind."""
    store = yard.store
    for worker_id in await store.call("ZRANGE", store.keys.workers, 0, -1):
        if await store.call("HGET", store.keys.worker + worker_id.decode(), "pid") == str(worker.pid).encode():
            names = [name.decode() for name in await store.call("KEYS", store.keys.arq_running + "*")]
            fences = await asyncio.gather(*[store.call("GET", name) for name in names])
            ours = [name for name, fence in zip(names, fences, strict=True) if (fence or b"").startswith(worker_id)]
            return [name.removeprefix(store.keys.arq_running) for name in ours]
    return []
