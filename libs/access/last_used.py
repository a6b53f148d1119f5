"""When an api key was last used: noted in memory, written every few seconds, never waited for by a request."""

from __future__ import annotations

import asyncio
import logging

from libs import limits
from libs.access.scripts import NOTE_USE
from libs.errors import Unavailable
from libs.store.client import Store
from libs.store.replies import ReplyError

__all__ = ["LastUsed"]

_AT_ONCE = 500

_log = logging.getLogger(__name__)


class LastUsed:
    """Keys used since the last write: each is written once, with a time that is off by `every_s` at most."""

    def __init__(
        self, store: Store, *, every_s: float = limits.LAST_USED_S, noted_max: int = limits.CACHED_CALLERS_MAX
    ) -> None:
        self._store = store
        self._every_s = every_s
        self._noted_max = noted_max
        self._noted: set[str] = set()
        self._due: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    def note(self, digest: str) -> None:
        """The key with this digest was used now. What does not fit is noted with the key's next use."""
        if len(self._noted) < self._noted_max:
            self._noted.add(digest)
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(self._every_s, self._start)

    async def write(self) -> None:
        """Write what was noted. While Redis is away it is kept."""
        noted, self._noted = self._noted, set()
        left = list(noted)
        try:
            while left:
                await self._store.run(NOTE_USE, (), left[:_AT_ONCE])
                del left[:_AT_ONCE]
        except (Unavailable, ReplyError) as error:
            _log.debug("when api keys were used is not written for now: %s", error)
            self._noted.update(left[: self._noted_max - len(self._noted)])

    def _start(self) -> None:
        self._due = None
        self._writing = asyncio.create_task(self.write(), name="last used")
