"""Whether the parts that a process depends on answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

from apps.resources import Resources
from libs.errors import Unavailable

__all__ = ["Checks"]

_PROBE_S = 0.9
_FRESH_S = 1.0


class Checks:
    """Asks every part at once; however many want to know, once a second."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._asking: asyncio.Task[dict[str, bool]] | None = None
        self._asked_at = 0.0

    async def look(self) -> dict[str, bool]:
        """Which parts answer."""
        now = time.monotonic()
        if self._asking is None or (self._asking.done() and now - self._asked_at > _FRESH_S):
            self._asked_at = now
            self._asking = asyncio.create_task(self._ask(), name="checks")
        return await asyncio.shield(self._asking)

    async def _ask(self) -> dict[str, bool]:
        probes = {"redis": self._redis(), "objects": self._resources.objects.healthy()}
        answers = await asyncio.gather(*[_in_time(probe) for probe in probes.values()])
        found = dict(zip(probes, answers, strict=True))
        for part, up in found.items():
            self._resources.metrics.up.labels(part).set(up)
        return found

    async def _redis(self) -> bool:
        try:
            await self._resources.cells.shared.call("PING")
        except Unavailable:
            return False
        return True


async def _in_time(probe: Awaitable[bool]) -> bool:
    try:
        async with asyncio.timeout(_PROBE_S):
            return await probe
    except TimeoutError:
        return False
