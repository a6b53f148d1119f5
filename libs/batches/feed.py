"""Making a batch's items jobs, in chunks that hold nobody up.

An item whose result is known becomes a job that is over (`libs.admission.result` tells how that is done for one job).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from libs import limits
from libs.access.plan import Limits
from libs.access.plans import Plans
from libs.admission.admit import lane_of
from libs.artifacts.objects import Objects
from libs.batches.batch import Batch
from libs.batches.items import Item
from libs.batches.known import ItemCopies, wanted_copies
from libs.jobs.payload import encode_payload
from libs.jobs.scripts import ADMIT_ITEMS
from libs.metrics import Metrics
from libs.store.client import Store

__all__ = ["Fed", "Rooms", "feed", "limits_now"]

#: How often results may change their jobs while artifacts are copied, before items without copies are simply run.
_ASKED_MAX: Final = 3
#: Where in an answer stands what only some have.
_EXTRA: Final = 7


@dataclass(frozen=True, slots=True)
class Rooms:
    """How much room batches may take.

    Half of a user's places in the queue, and half of the queue: jobs that are submitted one by one find the rest. While
    the store is nearly full, none.
    """

    queue_size_max: int
    store_has_room: Callable[[], bool] = lambda: True

    def of_user(self, plan: Limits) -> int:
        """Jobs of the user that may be queued while a batch's items still become jobs."""
        return max(1, plan.queued_max // 2)

    @property
    def of_queue(self) -> int:
        """Jobs that the queue may hold meanwhile."""
        return max(1, self.queue_size_max // 2)


@dataclass(frozen=True, slots=True)
class Fed:
    """What became of a chunk: so many were admitted, the turn of the next one, whether none is left.

    There is `room` for so many more now, of the `places` that this batch may have. A result was `sought` for so many of
    those that were admitted, and `known` for so many.
    """

    admitted: int
    next_item: int
    over: bool
    room: int = 0
    places: int = 0
    sought: int = 0
    known: int = 0

    def worth_it(self, batch: Batch) -> bool:
        """Whether there is room for enough to fetch items for: a chunk, or half of its places where those are few."""
        return self.room >= max(1, min(limits.BATCH_CHUNK_ITEMS, self.places // 2, batch.items - self.next_item))

    def count(self, metrics: Metrics, kind: str) -> None:
        """Count hits and misses, and the jobs that are over already."""
        if self.sought:
            metrics.results.labels(kind, "hit").inc(self.known)
            metrics.results.labels(kind, "miss").inc(self.sought - self.known)
            metrics.jobs.labels(kind, "succeeded").inc(self.known)


async def limits_now(store: Store, plans: Plans, user_id: str) -> Limits:
    """A user's limits as they hold now: a changed plan counts for the next chunk."""
    plan, overrides = await store.call("HMGET", store.keys.user + user_id, "plan", "overrides")
    if plan is None:  # a deployment without keys has one user without a record
        return plans.limits_of("internal")
    changed = await store.call("HGET", store.keys.plans, plan)
    return plans.limits_of(plan.decode(), changed or b"", overrides or b"")


async def feed(
    store: Store,
    objects: Objects,
    batch: Batch,
    first: int,
    items: Sequence[tuple[int, Item]],
    plan: Limits,
    rooms: Rooms,
) -> Fed:
    """Make jobs of the items (each with its index) of the turns from `first` on: a chunk, and what there is room for.

    May be repeated by anybody at any time: an item becomes a job once. Without items it only tells how much room there
    is. Artifacts of known results are copied first; what cannot be copied is run. Raises Unavailable.
    """
    words: list[str | bytes | int] = [
        batch.id,
        first,
        plan.weight,
        plan.slots,
        rooms.of_user(plan),
        rooms.of_queue,
        limits.BATCH_QUEUED_ITEMS_MAX,
        -1 if plan.stored_bytes_max is None else plan.stored_bytes_max,
    ]
    of_items: list[str | bytes | int] = []
    for index, item in items[: limits.BATCH_CHUNK_ITEMS]:
        of_items += _words(batch, index, item)
    copies = ItemCopies(objects, batch.user_id)
    for _ in range(_ASKED_MAX):
        answer = await store.run(ADMIT_ITEMS, (), (*words, copies.as_json(), 1, *of_items))
        if answer[0] != b"copies_wanted":
            return _fed(batch, answer)
        if not await copies.make(wanted_copies(answer[_EXTRA + 1 :]), int(answer[_EXTRA])):
            break
    return _fed(batch, await store.run(ADMIT_ITEMS, (), (*words, copies.as_json(), "", *of_items)))


def _fed(batch: Batch, answer: Sequence[Any]) -> Fed:
    outcome, admitted, next_item, room, places, sought, known = answer
    return Fed(admitted, next_item, outcome == b"over" or next_item >= batch.items, room, places, sought, known)


def _words(batch: Batch, index: int, item: Item) -> tuple[str | bytes | int, ...]:
    fairness_key = item.fairness_key or batch.fairness_key
    # A batch without a fairness key has a lane of its own: two batches of a user go on side by side.
    lane = lane_of(fairness_key if fairness_key is not None else batch.id)
    payload = encode_payload(batch.kind, dict(item.input), batch.created_at_ms)
    metadata = orjson.dumps(item.metadata) if item.metadata else b""
    return batch.job_id(index), payload, item.units, lane, fairness_key or "", metadata, item.needs, item.result or ""
