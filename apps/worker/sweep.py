"""The sweep: what nobody comes by for. One worker of all does it at a time, every two seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from apps.worker.turns import Turns
from libs.accounts.erase import erase_some
from libs.artifacts.looks import look_at_uploads
from libs.artifacts.objects import Objects
from libs.artifacts.uploads import expire_uploads
from libs.jobs.lifecycle import sweep
from libs.jobs.mending import mend_sets
from libs.metrics import Metrics
from libs.store.client import Store

__all__ = ["Sweeper"]

log = logging.getLogger(__name__)

_PAGE = 200
_PAGES_MAX = 50
_ERASE_S_MAX = 2.0


class Sweeper:
    """Expires jobs past their deadline and uploads that were never completed, and erases users who are to be."""

    def __init__(self, store: Store, objects: Objects, turns: Turns, queues: Sequence[str], metrics: Metrics) -> None:
        """Connects to nothing yet."""
        self._store = store
        self._objects = objects
        self._turns = turns
        self._queues = queues
        self._metrics = metrics
        self._next_user = 0

    async def keep_sweeping(self) -> None:
        """Sweep whenever it is this worker's turn, for ever."""
        await self._turns.keep(self._sweep)

    async def _sweep(self) -> None:
        for queue in self._queues:
            await self._sweep_queue(queue)
        mended, self._next_user = await mend_sets(self._store, self._next_user)
        if mended:
            log.warning("%d members of users' sets stood for no job and were taken out", mended)
        await self._sweep_uploads()
        with suppress(TimeoutError):  # the next sweep goes on from there
            async with asyncio.timeout(_ERASE_S_MAX):
                await erase_some(self._store, self._objects)

    async def _sweep_uploads(self) -> None:
        strays = await look_at_uploads(self._store, self._objects)
        for what, count in strays.objects.items():
            log.warning("%d objects of uploads, %d bytes, were %s and were removed", count, strays.bytes[what], what)
            self._metrics.strays.labels(what).inc(count)
            self._metrics.stray_bytes.labels(what).inc(strays.bytes[what])
        self._metrics.uploads.labels("expired").inc(await expire_uploads(self._store, self._objects))

    async def _sweep_queue(self, queue: str) -> None:
        offset = 0
        for _ in range(_PAGES_MAX):
            expired, offset = await sweep(self._store, queue, most=_PAGE, offset=offset)
            if expired:
                log.info("%d jobs of queue %s expired", expired, queue)
            if offset == 0 and expired < _PAGE:
                return
