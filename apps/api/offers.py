"""What backends offer, as the workers published it: read from Redis, remembered for some seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

import orjson

from libs.kinds.kind import Offer
from libs.store.client import Store

__all__ = ["Offers"]

_FRESH_S = 5.0
_UNKNOWN_S = 0.5
_NOTHING = Offer()


class Offers:
    """The catalogues of a deployment's backends."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, tuple[float, Offer]] = {}

    async def of(self, backend: str | None) -> Offer:
        """What the backend offers; empty where no worker has said yet. Raises Unavailable."""
        if backend is None:
            return _NOTHING
        known = self._known.get(backend)
        if known is not None and self._clock() < known[0]:
            return known[1]
        stored = await self._store.call("GET", self._store.keys.catalogue + backend)
        offer = Offer(orjson.loads(stored)) if stored else _NOTHING
        self._known[backend] = (self._clock() + (_FRESH_S if stored else _UNKNOWN_S), offer)
        return offer
