"""A queue worked off by some slots on simulated time: who got which slot, when, for how long."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from libs.access.caller import Caller
from libs.jobs.lifecycle import Claim, claim, finish
from libs.store.client import Store
from tests.fakes.callers import submit
from tests.fakes.clock import ClockedStore

__all__ = ["Ran", "jain", "run_slots", "slot_seconds", "submit_many"]

LEASE_S = 1e6


@dataclass(frozen=True, slots=True)
class Ran:
    """An attempt: whose, from when on and for how long, in seconds of the simulation."""

    user_id: str
    job_id: str
    at_s: float
    for_s: float


async def submit_many(store: Store, caller: Caller, count: int, **members: Any) -> list[str]:
    """Submit at once, in pages."""
    ids: list[str] = []
    while len(ids) < count:
        page = min(500, count - len(ids))
        ids += [one.job_id for one in await asyncio.gather(*(submit(store, caller, **members) for _ in range(page)))]
    return ids


async def run_slots(
    store: ClockedStore, slots: int, takes_s: Callable[[Claim], float], *, for_s: float = float("inf")
) -> list[Ran]:
    """Work the queue `cpu` off, or for so long; jobs succeed after the time they take."""
    start_ms, ran, number = store.now_ms, list[Ran](), itertools.count()
    running: list[tuple[int, int, Claim]] = []
    while store.now_ms < start_ms + for_s * 1000:
        for claimed in (await claim(store, "w", ["cpu"], slots - len(running), LEASE_S)).jobs:
            seconds = takes_s(claimed)
            ran.append(Ran(claimed.user_id, claimed.job_id, (store.now_ms - start_ms) / 1000, seconds))
            heapq.heappush(running, (store.now_ms + round(seconds * 1000), next(number), claimed))
        if not running:
            break
        ends_ms, _, ended = heapq.heappop(running)
        await store.travel_to(ends_ms, expiring=False)
        await finish(store, ended.job_id, ended.fence, "succeed")
    return ran


def slot_seconds(ran: list[Ran], until_s: float) -> Counter[str]:
    """Slot-seconds used by each user up to a time."""
    used: Counter[str] = Counter()
    for one in ran:
        used[one.user_id] += max(0.0, min(one.for_s, until_s - one.at_s))  # type: ignore[assignment]
    return used


def jain(shares: list[float]) -> float:
    """Jain's fairness index: 1 when all are equal, 1/n when one has everything (Jain, Chiu, Hawe 1984)."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))
