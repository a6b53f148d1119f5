"""Finding batches again: one by id, a page of a user's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from libs.batches.batch import Batch, read_batch
from libs.batches.turns import Turns
from libs.errors import Refusal
from libs.ids import is_id
from libs.jobs.job import Job
from libs.jobs.lookup import find_job
from libs.jobs.reading import in_runs, look_over
from libs.store.client import Store

__all__ = ["BatchPage", "find_batch", "find_jobs", "list_batches", "load_batch"]

_READ_AT_ONCE = 25


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


async def find_jobs(store: Store, batch: Batch, turns: Turns, indices: Iterable[int]) -> dict[int, Job | None]:
    """The jobs of those items that have become jobs, by index; None where the record is gone."""
    made = [index for index in indices if batch.has_job(turns.turn_of(index))]
    found: dict[int, Job | None] = {}
    for start in range(0, len(made), _READ_AT_ONCE):
        by_id = {batch.job_id(index): index for index in made[start : start + _READ_AT_ONCE]}
        heads = await look_over(store, list(by_id))
        found.update((index, None) for index in by_id.values())
        for run in in_runs([head for head in heads if head is not None]):
            jobs = await asyncio.gather(*[find_job(store, batch.user_id, head.id) for head in run])
            found.update((by_id[head.id], job) for head, job in zip(run, jobs, strict=True))
    return found
