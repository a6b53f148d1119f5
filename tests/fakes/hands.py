"""A worker's part of a job's way, done by hand: for tests that decide when a job starts and how it ends."""

from __future__ import annotations

from typing import Any

from libs.jobs.lifecycle import Claim, Ending, claim, finish, report
from libs.store.client import Store

__all__ = ["FLEET", "end", "give_up", "start", "tell_progress"]

_LEASE_S = 30.0
#: A fleet that has room for whatever a test claims.
FLEET = {"comfyui": 100}


async def start(store: Store, queue: str = "gpu", worker: str = "wrk_by_hand") -> Claim:
    """Claim the one job that is ready."""
    (claimed,) = (await claim(store, worker, [queue], 10, _LEASE_S, servers=FLEET)).jobs
    return claimed


async def give_up(store: Store, queue: str = "gpu") -> str:
    """Lose the one job that is ready with its worker, three times over: it is given up for dead. Its id."""
    for _ in range(3):
        claimed = await start(store, queue)
        await store.call("ZADD", store.keys.zset_of(queue), 1e12 + 1, claimed.job_id)  # its lease ran out long ago
        await store.call("HSET", store.keys.queue + queue, "paused", 1)
        assert (await claim(store, "wrk_who_comes_by", [queue], 1, _LEASE_S, servers=FLEET)).jobs == ()
        await store.call("HDEL", store.keys.queue + queue, "paused")
    return claimed.job_id


async def end(store: Store, claimed: Claim, ending: Ending = "succeed", **more: Any) -> None:
    """End its attempt."""
    await finish(store, claimed.job_id, claimed.fence, ending, **more)


async def tell_progress(store: Store, claimed: Claim, fraction: float) -> None:
    """Report how far it is."""
    progress = {"fraction": fraction, "step": fraction * 20, "steps": 20, "message": "sampling"}
    await report(
        store, claimed.job_id, claimed.fence, event="progress", data=progress, member="progress", value=progress
    )
