"""The archivist: what has become history leaves Redis, and what is kept no longer leaves the object store.

It works under the sweeper's turn, in a loop of its own: it takes as long as the object store takes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from apps.worker.turns import Turns
from libs.archive.anchor import Anchors
from libs.archive.drift import last_drift
from libs.archive.expiry import expire_archived
from libs.archive.moving import archive_finished
from libs.archive.walk import walk_on
from libs.artifacts.objects import Objects
from libs.metrics import Metrics
from libs.store.client import Store

__all__ = ["Archivist"]

log = logging.getLogger(__name__)


class Archivist:
    """Moves history to the archive, removes what is past its retention, and looks for objects that are nobody's."""

    def __init__(
        self,
        store: Store,
        objects: Objects,
        turns: Turns,
        metrics: Metrics,
        *,
        archive_after_s: float,
        peppers: Sequence[bytes],
    ) -> None:
        """`archive_after_s` is how long after its end a job's record stays in Redis; `peppers` sign the audit log."""
        self._store = store
        self._objects = objects
        self._turns = turns
        self._metrics = metrics
        self._archive_after_s = archive_after_s
        self._anchors = Anchors(store, objects, peppers)

    async def keep_archiving(self) -> None:
        """Whenever it is this worker's turn, for ever. What fails at one of the four keeps none of the others up."""
        duties = (self._archive, self._expire, self._walk, self._anchors.keep)
        await asyncio.gather(*[self._turns.keep(doing) for doing in duties])

    async def _archive(self) -> None:
        while moved := await archive_finished(self._store, self._objects, self._archive_after_s):
            log.info("%d finished jobs moved to the archive", moved)
            self._metrics.archived.inc(moved)
            if not await self._turns.mine():
                return

    async def _expire(self) -> None:
        if expired := await expire_archived(self._objects, await self._now_s()):
            log.info("%d segments of the archive were past their retention", expired)

    async def _walk(self) -> None:
        if orphans := await walk_on(self._store, self._objects, await self._now_s()):
            log.warning("%d objects belonged to nothing and were removed", orphans)
            self._metrics.orphans.inc(orphans)
        if drift := await last_drift(self._store):
            self._metrics.drift.labels("more").set(drift.more)
            self._metrics.drift.labels("fewer").set(drift.fewer)

    async def _now_s(self) -> float:
        seconds, _ = await self._store.call("TIME")
        return float(seconds)
