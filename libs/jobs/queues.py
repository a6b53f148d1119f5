"""The queues of a deployment: how full they are, and whether they take and give jobs."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Final, Literal

from libs.audit.act import COMMAND_LINE, Actor
from libs.errors import Refusal
from libs.jobs.scripts import SET_QUEUE
from libs.store.client import Store

__all__ = ["QUEUES", "QueueChange", "QueueState", "change_queue", "list_queues"]

#: One for each class of kinds; ARQ's own `default` is not ours to steer.
QUEUES: Final = ("gpu", "cpu", "net")
QueueChange = Literal["pause", "drain", "resume"]

_READY_END, _HELD = "1e12", "8e15"
_DRAIN_WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue now.

    Unfinished jobs are `ready` to be claimed, `timed` (running under a lease, at a provider, or due later) or `held` in
    their users' own lists. A paused queue gives no job to a worker, a draining one takes none. `drained_per_s` is how
    many ended lately.
    """

    name: str
    ready: int
    timed: int
    held: int
    paused: bool
    draining: bool
    drained_per_s: float


async def list_queues(store: Store) -> list[QueueState]:
    """Every queue."""
    now_s = int((await store.call("TIME"))[0])
    return list(await asyncio.gather(*[_state(store, name, now_s) for name in QUEUES]))


async def change_queue(store: Store, name: str, change: QueueChange, by: Actor = COMMAND_LINE) -> QueueState:
    """Pause, drain or resume a queue, from the next claim and the next submission on. Refuses `not_found`."""
    if name not in QUEUES:
        raise Refusal("not_found", f"There is no such queue; there are: {', '.join(QUEUES)}")
    await store.run(SET_QUEUE, (), (name, change, *by.words))
    return await _state(store, name, int((await store.call("TIME"))[0]))


async def _state(store: Store, name: str, now_s: int) -> QueueState:
    zset, record = store.keys.zset_of(name), store.keys.queue + name
    ready, timed, held, known = await asyncio.gather(
        store.call("ZCOUNT", zset, "-inf", f"({_READY_END}"),
        store.call("ZCOUNT", zset, _READY_END, f"({_HELD}"),
        store.call("ZCOUNT", zset, _HELD, "+inf"),
        store.call("HMGET", record, "paused", "draining", "drain", "drain_at"),
    )
    paused, draining, rate, at_ms = known
    faded = math.exp(-max(0.0, now_s - int(at_ms or 0) / 1000) / _DRAIN_WINDOW_S)
    return QueueState(name, ready, timed, held, paused == b"1", draining == b"1", float(rate or 0) * faded)
