"""The sweep: what nobody comes by for. One worker of all does it at a time, every two seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from libs.accounts.erase import erase_some
from libs.artifacts.objects import Objects
from libs.artifacts.uploads import expire_uploads
from libs.errors import Unavailable
from libs.jobs.lifecycle import sweep
from libs.metrics import Metrics
from libs.store.client import Store

__all__ = ["Sweeper"]

log = logging.getLogger(__name__)

_EVERY_S = 2.0
_TERM_MS = 5_000
_PAGE = 200
_PAGES_MAX = 50
_ERASE_S_MAX = 2.0


class Sweeper:
    """Expires jobs past their deadline and uploads that were never completed, and erases users who are to be."""

    def __init__(self, store: Store, objects: Objects, worker: str, queues: Sequence[str], metrics: Metrics) -> None:
        """`worker` is the id under which the turn is taken."""
        self._store = store
        self._objects = objects
        self._worker = worker
        self._queues = queues
        self._metrics = metrics

    async def keep_sweeping(self) -> None:
        """Sweep whenever it is this worker's turn, for ever."""
        while True:
            try:
                if await self._my_turn():
                    await self._sweep()
            except Unavailable as error:
                log.debug("sweep: %s", error)
            except Exception:
                log.exception("a sweep failed")
            await asyncio.sleep(_EVERY_S)

    async def _my_turn(self) -> bool:
        key = self._store.keys.sweeper
        if await self._store.call("SET", key, self._worker, "NX", "PX", _TERM_MS):
            return True
        holder = await self._store.call("GET", key)
        if holder != self._worker.encode():
            return False
        await self._store.call("PEXPIRE", key, _TERM_MS)
        return True

    async def _sweep(self) -> None:
        for queue in self._queues:
            await self._sweep_queue(queue)
        self._metrics.uploads.labels("expired").inc(await expire_uploads(self._store, self._objects))
        with suppress(TimeoutError):  # the next sweep goes on from there
            async with asyncio.timeout(_ERASE_S_MAX):
                await erase_some(self._store, self._objects)

    async def _sweep_queue(self, queue: str) -> None:
        offset = 0
        for _ in range(_PAGES_MAX):
            expired, offset = await sweep(self._store, queue, most=_PAGE, offset=offset)
            if expired:
                log.info("%d jobs of queue %s expired", expired, queue)
            if offset == 0 and expired < _PAGE:
                return
