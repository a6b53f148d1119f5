"""Canceling a batch: the rest at once, the jobs it has made in chunks."""

from __future__ import annotations

import asyncio
from typing import Literal

from libs.batches.batch import Batch
from libs.batches.results import ended_by_block
from libs.batches.turns import Turns, find_turns
from libs.jobs.lifecycle import cancel
from libs.jobs.scripts import CANCEL_BATCH
from libs.store.client import Store

__all__ = ["BatchCancelOutcome", "cancel_batch", "cancel_jobs"]

BatchCancelOutcome = Literal["not_found", "requested", "canceled", "finished"]

_AT_ONCE = 25


async def cancel_batch(store: Store, user_id: str, batch_id: str) -> BatchCancelOutcome:
    """Cancel a user's batch: no further item of it becomes a job, and a worker cancels the jobs there are."""
    outcome: bytes = await store.run(CANCEL_BATCH, (), (batch_id, user_id))
    return outcome.decode()  # type: ignore[return-value]


async def cancel_jobs(store: Store, batch: Batch) -> None:
    """Cancel the jobs of a batch that have not ended; those that run are asked to stop. May be repeated."""
    ended, turns = await ended_by_block(store, batch), await find_turns(store, batch)
    for block in range(batch.blocks):
        if ended.get(block, (0, 0))[0] < batch.block_size(block):
            await _cancel_block(store, batch, turns, block)


async def _cancel_block(store: Store, batch: Batch, turns: Turns, block: int) -> None:
    first = block * batch.block_items
    indices = range(first, first + batch.block_size(block))
    made = [index for index in indices if batch.has_job(turns.turn_of(index))]
    for start in range(0, len(made), _AT_ONCE):
        some = made[start : start + _AT_ONCE]
        await asyncio.gather(*[cancel(store, batch.user_id, batch.job_id(index)) for index in some])
