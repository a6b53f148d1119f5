"""From the outbox to the receivers: entries become deliveries, deliveries are taken under a lease, and end once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

from libs.store.client import Store
from libs.webhooks.scripts import DISPATCH, FINISH, TAKE

__all__ = [
    "Due",
    "Ending",
    "Outcome",
    "Pending",
    "Taken",
    "count_waiting",
    "dispatch",
    "finish",
    "take",
]

#: Outbox entries of one script, fewer where each is a delivery to many endpoints of its user.
_DISPATCHED_MAX = 50
_COUNTED_MAX = 1_000

Outcome = Literal["delivered", "failed", "gone", "unmade", "void", "released"]


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery to be tried now, the `tries`-th time; `fence` is what its ending must show.

    `now_ms` is Redis's time: the one clock that all who deliver share. `ailing`: its receiver fails again and again.
    """

    id: str
    fence: str
    endpoint_id: str
    user_id: str
    event: str
    about: str
    sequence: int
    at_ms: int
    tries: int
    now_ms: int
    ailing: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """What one look brought, and when the next receiver comes due (None: none waits)."""

    due: tuple[Due, ...]
    next_due_s: float | None


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended. `wait_s` until the next, None when that was the last; `status` of the answer, if any.

    `unmade`: nothing could be sent, which is our fault. `released`: handed back, no try is used up.
    """

    outcome: Outcome
    wait_s: float | None = None
    took_s: float = 0.0
    status: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """What waits: outbox entries, receivers, and the deliveries of the first 1,000 receivers."""

    entries: int
    receivers: int
    deliveries: int


async def dispatch(store: Store) -> int:
    """Make deliveries of some of the oldest outbox entries; of how many, 0 when there are none."""
    return int(await store.run(DISPATCH, (), (_DISPATCHED_MAX,)))


async def take(store: Store, taker: str, *, lease_s: float, most: int, ailing: int) -> Taken:
    """Take deliveries that are due: so many, and of them at most `ailing` from receivers that fail."""
    now, next_due_ms, well, *replies = await store.run(TAKE, (), (taker, int(lease_s * 1000), most, ailing))
    due = tuple(_read_due(reply, int(now), ailing=number >= int(well)) for number, reply in enumerate(replies))
    return Taken(due, None if int(next_due_ms) < 0 else int(next_due_ms) / 1000)


async def finish(store: Store, due: Due, ending: Ending, span_s: float) -> str:
    """End an attempt; what became of it: delivered, retried, failed, released, disabled, or fenced.

    `fenced` also answers an ending that is sent again. `span_s` is how long a schedule takes.
    """
    wait_ms = -1 if ending.wait_s is None else int(ending.wait_s * 1000)
    told = (ending.status or "-", ending.error or "-")
    words = (due.id, due.fence, ending.outcome, wait_ms, int(ending.took_s * 1000), *told, int(span_s * 1000))
    outcome: bytes = await store.run(FINISH, (), words)
    return outcome.decode()


async def count_waiting(store: Store) -> Pending:
    """How much waits now."""
    keys = store.keys
    entries, well, ailing = await asyncio.gather(
        store.call("XLEN", keys.outbox),
        store.call("ZRANGE", keys.receivers, 0, _COUNTED_MAX - 1),
        store.call("ZRANGE", keys.receivers_ailing, 0, _COUNTED_MAX - 1),
    )
    receivers = [receiver.decode() for receiver in (*well, *ailing)]
    sizes = await asyncio.gather(*[store.call("ZCARD", keys.receiver_queue + each) for each in receivers])
    return Pending(entries, len(receivers), sum(sizes))


def _read_due(reply: list[Any], now_ms: int, *, ailing: bool) -> Due:
    delivery_id, fence, endpoint_id, user_id, event, about, sequence, at_ms = (word.decode() for word in reply[:8])
    told = (endpoint_id, user_id, event, about, int(sequence), int(float(at_ms)), int(reply[8]))
    return Due(delivery_id, fence, *told, now_ms, ailing)
