"""Waiting for the end of a batch's items."""

from __future__ import annotations

import asyncio
from typing import Final

from libs.batches.batch import Batch
from libs.batches.lookup import load_batch
from libs.errors import Unavailable
from libs.jobs.events import EventHub
from libs.store.client import Store

__all__ = ["until_ended"]

_AGAIN_S: Final = 0.2


async def until_ended(store: Store, events: EventHub, user_id: str, batch_id: str) -> Batch:
    """The batch once all of its items have ended; an outage of Redis is waited out. Refuses `not_found`."""
    while True:
        try:
            return await _followed(store, events, user_id, batch_id)
        except Unavailable:
            await asyncio.sleep(_AGAIN_S)


async def _followed(store: Store, events: EventHub, user_id: str, batch_id: str) -> Batch:
    async with events.following(batch_id) as following:
        arriving = following.events("0-0")
        while (batch := await load_batch(store, user_id, batch_id)).left > 0:
            await anext(arriving)  # the end, or an interruption: either is a reason to look
        return batch
