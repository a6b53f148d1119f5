"""Finding batches again: one by id, a page of a user's."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from libs.batches.batch import Batch, read_batch
from libs.errors import Refusal
from libs.ids import is_id
from libs.store.client import Store

__all__ = ["BatchPage", "find_batch", "list_batches", "load_batch"]


@dataclass(frozen=True, slots=True)
class BatchPage:
    """Batches, newest first; `before` is the id to go on from when there are more."""

    batches: tuple[Batch, ...]
    before: str | None


async def find_batch(store: Store, batch_id: str) -> Batch | None:
    """The batch of that id, or None, whoever's it is: for the house itself."""
    if not is_id(batch_id, "batch"):
        return None
    record = await store.call("HGETALL", store.keys.batch + batch_id)
    return read_batch(batch_id, dict(zip(record[::2], record[1::2], strict=True))) if record else None


async def load_batch(store: Store, user_id: str, batch_id: str) -> Batch:
    """The user's batch of that id, or Refusal `not_found`: the same for no batch and for somebody else's."""
    batch = await find_batch(store, batch_id)
    if batch is None or batch.user_id != user_id:
        raise Refusal("not_found", "There is no such batch")
    return batch


async def list_batches(store: Store, user_id: str, *, limit: int, before: str | None = None) -> BatchPage:
    """A page of a user's batches, newest first; ids sort by time."""
    start = f"({before}" if before else "+"
    reply = await store.call("ZREVRANGEBYLEX", store.keys.batches + user_id, start, "-", "LIMIT", 0, limit + 1)
    ids = [batch_id.decode() for batch_id in reply]
    found = await asyncio.gather(*[find_batch(store, batch_id) for batch_id in ids[:limit]])
    return BatchPage(tuple(one for one in found if one is not None), ids[limit - 1] if len(ids) > limit else None)
