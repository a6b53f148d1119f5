"""What backends offer, as the workers published it: read from Redis, remembered for some seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import orjson

from libs.backends.fleet.needs import Needs
from libs.backends.fleet.offers import may_be_met
from libs.kinds.kind import Offer
from libs.store.client import Store

__all__ = ["Offers"]

_FRESH_S = 5.0
_UNKNOWN_S = 0.5
_REMEMBERED_MAX = 1_000
_NOTHING = Offer()


class Offers:
    """The catalogues of a deployment's backends, and what the `servers` of its fleet have together."""

    def __init__(self, store: Store, servers: Sequence[str] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._servers = servers
        self._clock = clock
        self._known: dict[str, tuple[float, Offer]] = {}
        self._met: dict[Needs, tuple[float, bool]] = {}

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

    async def can_meet(self, needs: Needs) -> bool:
        """Whether one server may have all of it: a catalogue only says what all of them have. Raises Unavailable."""
        if not needs.digests or not self._servers:
            return True
        known = self._met.get(needs)
        if known is not None and self._clock() < known[0]:
            return known[1]
        is_met = await may_be_met(self._store, self._servers, needs)
        if len(self._met) >= _REMEMBERED_MAX:
            self._met.clear()
        self._met[needs] = (self._clock() + (_FRESH_S if is_met else _UNKNOWN_S), is_met)
        return is_met
