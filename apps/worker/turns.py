"""Taking turns: what one worker of all does, whenever it is its turn, for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from libs.errors import Unavailable
from libs.store.client import Store
from libs.store.turns import take_turn

__all__ = ["Turns"]

log = logging.getLogger(__name__)

_EVERY_S = 2.0
_TERM_MS = 5_000


class Turns:
    """A worker's claim to be the one that sweeps; it lapses in seconds when the worker dies."""

    def __init__(self, store: Store, worker: str) -> None:
        """`worker` is the id under which the turn is taken."""
        self._store = store
        self._worker = worker

    async def mine(self) -> bool:
        """Whether it is this worker's turn, for some seconds from now. Raises Unavailable."""
        return await take_turn(self._store, self._store.keys.sweeper, self._worker, _TERM_MS)

    async def keep(self, doing: Callable[[], Awaitable[None]]) -> None:
        """Do it every two seconds while it is this worker's turn, whatever comes."""
        while True:
            try:
                if await self.mine():
                    await doing()
            except Unavailable as error:
                log.debug("sweep: %s", error)
            except Exception:
                log.exception("a sweep failed")
            await asyncio.sleep(_EVERY_S)
