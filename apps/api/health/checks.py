"""Whether the parts that a process depends on could do their work: asked every two seconds, told with its age."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from apps.resources import Resources
from libs.store.watch import State

__all__ = ["Checks", "Finding"]

_PROBE_S = 0.9
#: How old a result may be when somebody asks: in between, everybody is told the same.
_FRESH_S = 1.0
_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """How a part does, and when that was found, on the clock of the checks."""

    state: State
    at: float


class Checks:
    """Asks every part at once; however many want to know, once a second."""

    def __init__(self, resources: Resources, clock: Callable[[], float] = time.monotonic) -> None:
        self._resources = resources
        self._clock = clock
        self._asking: asyncio.Task[dict[str, Finding]] | None = None
        self._asked_at = 0.0
        self.last: dict[str, Finding] = {}

    async def keep(self) -> None:
        """Ask for ever, whoever wants to know: admission does (see `StoreWatch.require_room`)."""
        while True:
            await self.look()
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> dict[str, Finding]:
        """How each part does."""
        now = self._clock()
        if self._asking is None or (self._asking.done() and now - self._asked_at > _FRESH_S):
            self._asked_at = now
            self._asking = asyncio.create_task(self._ask(), name="checks")
        return await asyncio.shield(self._asking)

    def age_s(self, finding: Finding) -> float:
        """How long ago it was found."""
        return max(0.0, self._clock() - finding.at)

    async def _ask(self) -> dict[str, Finding]:
        probes = {"redis": self._redis(), "objects": self._objects()}
        states = await asyncio.gather(*[_in_time(probe) for probe in probes.values()])
        now = self._clock()
        self.last = {part: Finding(state, now) for part, state in zip(probes, states, strict=True)}
        for part, finding in self.last.items():
            self._resources.metrics.up.labels(part).set(finding.state == "up")
        return self.last

    async def _redis(self) -> State:
        return (await self._resources.watch.look()).state

    async def _objects(self) -> State:
        return "up" if await self._resources.objects.healthy() else "away"


async def _in_time(probe: Awaitable[State]) -> State:
    try:
        async with asyncio.timeout(_PROBE_S):
            return await probe
    except TimeoutError:
        return "away"
