"""Looking after batches: every worker does, each of those that it takes, a few at a time."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from libs.batches.tend import Due, Tender
from libs.errors import Unavailable

__all__ = ["BatchKeeper"]

log = logging.getLogger(__name__)

_AT_ONCE: Final = 4
_EVERY_S: Final = 0.5
_BUSY_S: Final = 0.05


class BatchKeeper:
    """Takes batches that are due and has them tended. What fails comes due again by itself."""

    def __init__(self, tender: Tender) -> None:
        self._tender = tender
        self._tending: set[asyncio.Task[None]] = set()

    async def keep_looking(self) -> None:
        """Look for batches that are due, for ever."""
        try:
            while True:
                found = await self._take()
                await asyncio.sleep(_BUSY_S if found else _EVERY_S)
        finally:
            for task in self._tending:
                task.cancel()
            await asyncio.gather(*self._tending, return_exceptions=True)

    async def _take(self) -> int:
        """Take as many as there are hands for; how many there were."""
        free = _AT_ONCE - len(self._tending)
        if free == 0:
            return 1
        try:
            due = await self._tender.take(free)
        except Unavailable as error:
            log.debug("batches: %s", error)
            return 0
        for one in due:
            task = asyncio.create_task(self._tend(one), name=f"batch {one.batch_id}")
            self._tending.add(task)
            task.add_done_callback(self._tending.discard)
        return len(due)

    async def _tend(self, due: Due) -> None:
        try:
            await self._tender.tend(due)
        except Unavailable as error:
            log.info("batch %s waits: %s", due.batch_id, error)
        except Exception:
            log.exception("batch %s could not be looked after", due.batch_id)
