"""The open streams of each api key, counted over all processes.

Each has an entry in Redis with a lease. A process renews those of its own; when it dies, what it held lapses.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from libs import limits
from libs.access.scripts import ENTER_STREAM, RENEW_STREAMS
from libs.errors import Refusal, Unavailable
from libs.ids import new_id
from libs.store.client import Store

__all__ = ["Streams"]

#: Entries renewed in one call: a script's arguments stand on a stack of bounded size.
_RENEWED_AT_ONCE = 1_000

_log = logging.getLogger(__name__)


class Streams:
    """Those of one process; `keep` is to run beside it."""

    def __init__(self, store: Store, *, most: int = limits.STREAMS_PER_API_KEY_MAX, lease_s: float = 30.0) -> None:
        self._store = store
        self._most = most
        self._lease_s = lease_s
        self._open: dict[str, str] = {}  # stream: api key

    @asynccontextmanager
    async def entered(self, api_key_id: str) -> AsyncIterator[None]:
        """Hold one of the streams that an api key may have open; refuses `rate_limited`, raises Unavailable."""
        stream = new_id("stream")
        words = (api_key_id, stream, self._most, int(self._lease_s * 1000))
        if await self._store.run(ENTER_STREAM, (), words) == b"rate_limited":
            detail = f"At most {self._most} streams of one API key at once"
            raise Refusal("rate_limited", detail, retry_after_s=5, members={"violated-policies": ["streams"]})
        self._open[stream] = api_key_id
        try:
            yield
        finally:
            del self._open[stream]
            with suppress(Unavailable):  # then it lapses
                await asyncio.shield(self._store.call("ZREM", self._store.keys.streams + api_key_id, stream))

    async def keep(self) -> None:
        """Renew what is open, for ever. While Redis is away nobody is let in, and nobody is put out."""
        while True:
            await asyncio.sleep(self._lease_s / 3)
            try:
                await self.renew()
            except Unavailable as error:
                _log.warning("open streams could not be renewed: %s", error)

    async def renew(self) -> None:
        """Renew what is open; raises Unavailable."""
        held = [(api_key_id, stream) for stream, api_key_id in self._open.items()]
        for first in range(0, len(held), _RENEWED_AT_ONCE):
            words = [word for entry in held[first : first + _RENEWED_AT_ONCE] for word in entry]
            await self._store.run(RENEW_STREAMS, (), (int(self._lease_s * 1000), *words))
