"""Looking after batches: whatever is to be done for one now, by whichever worker takes it.

::

    a draft that never was admitted    remove what was written for it
    running                            feed the queue · keep what ended · at the end put the results together, and close
    canceled by its user               cancel the jobs it has made
    over, its retention too            remove its objects, then forget it

Each step may be done twice, by two workers at once, and cut short anywhere: what moves is fenced by scripts, and what
is stored has a name that says what is in it. So a worker that dies leaves nothing to mend; the batch comes due again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Final

from libs import limits
from libs.access.plans import Plans
from libs.artifacts.objects import Objects
from libs.batches.batch import Batch, prefix_of
from libs.batches.cancel import cancel_jobs
from libs.batches.feed import Fed, Rooms, feed, limits_now
from libs.batches.items import ItemShelf
from libs.batches.lookup import find_batch
from libs.batches.results import ended_by_block, keep_block, put_together
from libs.batches.turns import items_from
from libs.jobs.scripts import CLOSE_BATCH, FORGET_BATCH, PROLONG_BATCH, TAKE_BATCHES
from libs.store.client import Store

__all__ = ["Due", "Tender"]

#: For how long one look feeds the queue, before it sees to what has ended.
FEED_S_MAX: Final = 2.0
#: When a batch that goes on is looked at again.
FEEDING_S: Final = 0.25
RUNNING_S: Final = 2.0
#: What has ended of a block that is not through is kept so often at least, or four times within the retention.
KEEP_S: Final = 3_600.0
_PAUSE_S_MIN = 0.002


@dataclass(frozen=True, slots=True)
class Due:
    """A batch that was taken, and Redis's time then."""

    user_id: str
    batch_id: str
    now_ms: int

    @property
    def member(self) -> str:
        """What stands for it in the list of batches that are due."""
        return f"{self.user_id} {self.batch_id}"


async def _take_due(store: Store, most: int, term_s: float) -> list[Due]:
    """Take batches that are due; nobody else gets them for so long. Raises Unavailable."""
    now, *members = await store.run(TAKE_BATCHES, (), (most, int(term_s * 1000)))
    pairs = [member.decode().split(" ") for member in members]
    return [Due(user_id, batch_id, int(float(now))) for user_id, batch_id in pairs]


def _unheard(_batch: Batch, _what: object) -> None:
    return


@dataclass(frozen=True, slots=True)
class Tender:
    """What looking after batches takes. One is taken for `term_s`, which is prolonged while it is tended.

    `closed` hears of each batch that is over, and how many seconds that took; `fed` of each chunk.
    """

    store: Store
    objects: Objects
    plans: Plans
    rooms: Rooms
    term_s: float = 6.0
    closed: Callable[[Batch, float], None] = _unheard
    fed: Callable[[Batch, Fed], None] = _unheard

    async def take(self, most: int) -> list[Due]:
        """Take batches that are due, to tend each. Raises Unavailable."""
        return await _take_due(self.store, most, self.term_s)

    async def tend(self, due: Due) -> None:
        """Do what is to be done for a batch now, and give it back. Raises Unavailable: it comes due again."""
        async with self._kept(due):
            again_s = await self._look_after(due)
        if again_s is not None:
            await self.store.run(PROLONG_BATCH, (), (due.member, int(again_s * 1000)))

    @asynccontextmanager
    async def _kept(self, due: Due) -> AsyncIterator[None]:
        keeping = asyncio.create_task(self._keep(due))
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def _keep(self, due: Due) -> None:
        while True:
            await asyncio.sleep(self.term_s / 3)
            await self.store.run(PROLONG_BATCH, (), (due.member, int(self.term_s * 1000)))

    async def _look_after(self, due: Due) -> float | None:
        """One look; in how many seconds the next one is due, None when the batch has said that itself."""
        batch = await find_batch(self.store, due.batch_id)
        if batch is not None and batch.is_kept(due.now_ms):
            return None  # somebody else closed it since it was taken
        if batch is None or batch.over:
            await self._forget(due)
            return None
        if batch.cancel_requested_at_ms is not None:
            await cancel_jobs(self.store, batch)
        elif batch.next_item < batch.items and self.rooms.store_has_room():
            await self._feed(batch)
        await self._keep_results(batch, due.now_ms)
        batch = await find_batch(self.store, due.batch_id)
        if batch is None or batch.over:
            return None
        if batch.left == 0:
            return await self._close(batch)
        return FEEDING_S if batch.next_item < batch.items else RUNNING_S

    async def _feed(self, batch: Batch) -> None:
        """Make jobs of items while there is room, with as long a pause between two chunks as a chunk takes."""
        plan = await limits_now(self.store, self.plans, batch.user_id)
        fed = await feed(self.store, self.objects, batch, batch.next_item, (), plan, self.rooms)
        until, shelf = monotonic() + FEED_S_MAX, ItemShelf(self.objects, batch)
        while not fed.over and fed.worth_it(batch) and monotonic() < until:
            indices = await items_from(self.store, batch, fed.next_item, limits.BATCH_CHUNK_ITEMS)
            items = await shelf.items(indices)
            began = monotonic()
            fed = await feed(self.store, self.objects, batch, fed.next_item, items, plan, self.rooms)
            self.fed(batch, fed)
            await asyncio.sleep(max(_PAUSE_S_MIN, monotonic() - began))

    async def _keep_results(self, batch: Batch, now_ms: int) -> None:
        """Store the results of blocks that are through, and now and then what has ended of the others."""
        every_ms = min(KEEP_S, batch.retention_s / 4) * 1000
        all_of_them = now_ms - (batch.kept_at_ms or batch.created_at_ms) > every_ms
        if all_of_them:
            await self.store.call("HSET", self.store.keys.batch + batch.id, "kept_at", now_ms)
        for block, (ended, kept) in (await ended_by_block(self.store, batch)).items():
            if ended > kept and (all_of_them or ended == batch.block_size(block)):
                latest = await find_batch(self.store, batch.id) or batch
                await keep_block(self.store, self.objects, latest, block, ended, kept)

    async def _close(self, batch: Batch) -> float | None:
        """Put the results together; the batch is over."""
        kept = await ended_by_block(self.store, batch)
        if any(kept.get(block, (0, 0))[1] < batch.block_size(block) for block in range(batch.blocks)):
            return 0.0  # the last of them ended while we looked
        digest = await put_together(self.objects, batch)
        closed_at = int(await self.store.run(CLOSE_BATCH, (), (batch.id, digest.size_bytes, digest.sha256)))
        if closed_at:
            self.closed(batch, (closed_at - batch.created_at_ms) / 1000)
        await self.objects.remove_all(f"{batch.prefix}items/")
        return None

    async def _forget(self, due: Due) -> None:
        """Objects first: a record without objects does no harm, objects without a record are never found."""
        await self.objects.remove_all(prefix_of(due.user_id, due.batch_id))
        await self.store.run(FORGET_BATCH, (), (due.batch_id, due.user_id))
