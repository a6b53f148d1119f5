"""The items of a batch as they are now, in pages: stored results where there are any, else their jobs' records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from libs.artifacts.objects import Objects
from libs.batches.batch import Batch
from libs.batches.lookup import find_jobs
from libs.batches.results import Result, ended_by_block, lost, no_job, read_block, result_of
from libs.batches.turns import Turns, find_turns
from libs.store.client import Store

__all__ = ["ItemPage", "items_at", "list_items"]

_SCAN_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class ItemPage:
    """Items in their order; `start` is the index to go on from when there are more."""

    items: tuple[Result, ...]
    start: int | None


async def list_items(
    store: Store, objects: Objects, batch: Batch, *, status: str | None, limit: int, start: int = 0
) -> ItemPage:
    """A page of items from the index `start` on, of one status where that is wanted.

    At most 1,000 items are looked at: a page may be short, even empty, and still have more behind it.
    """
    found: list[Result] = []
    index, turns = start, await find_turns(store, batch)
    while index < batch.items and index - start < _SCAN_MAX:
        block = index // batch.block_items
        through = min(block * batch.block_items + batch.block_size(block), index + limit + 1)
        for result in await items_at(store, objects, batch, range(index, through), turns):
            if status is None or result["status"] == status:
                if len(found) == limit:
                    return ItemPage(tuple(found), result["index"])
                found.append(result)
        index = through
    return ItemPage(tuple(found), index if index < batch.items else None)


async def items_at(
    store: Store, objects: Objects, batch: Batch, indices: Sequence[int], turns: Turns | None = None
) -> list[Result]:
    """These items as they are now; `turns` where they are at hand. Raises Unavailable."""
    kept = await ended_by_block(store, batch)
    known: dict[int, Result] = {}
    for block in sorted({index // batch.block_items for index in indices}):
        known |= await read_block(objects, batch, block, kept.get(block, (0, 0))[1])
    unknown = [index for index in indices if index not in known]
    turns = turns or await find_turns(store, batch)
    known |= {index: no_job(batch, index) for index in unknown if not batch.has_job(turns.turn_of(index))}
    jobs = await find_jobs(store, batch, turns, unknown)
    known |= {index: lost(batch, index) if job is None else result_of(index, job) for index, job in jobs.items()}
    return [known[index] for index in indices]
