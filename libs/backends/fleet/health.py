"""Whether a server of the fleet is well, for all workers: a breaker for what is away, a mark for what is sick.

::

    well ── its calls and probes fail, as its breaker's rule says ──► away ── three probes in a row go well ──► well
      └──── its device reports a fault (CUDA) ──► sick ── every probe goes well for a while ──► well

Nobody is given a server that is not well. A running prompt is not disturbed by it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import orjson

from libs.backends.breaker import Breaker
from libs.backends.configured import ConfiguredServer
from libs.backends.fleet.scripts import LOOK, PROBED, SIDELINE
from libs.errors import Unavailable
from libs.store.client import Store
from libs.store.connection import Word

__all__ = ["SERVER_STATES", "Health", "ServerState", "State", "look_at"]

log = logging.getLogger(__name__)

State = Literal["well", "away", "sick"]
SERVER_STATES: Final[tuple[State, ...]] = ("well", "away", "sick")

#: How long a sick server must be well before it is taken back: at first, and at most.
RECOVERY_S: Final = 60.0
RECOVERY_S_MAX: Final = 900.0

_PROBLEMS_MAX: Final = 20
_PROBLEM_LENGTH_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server as it is now; `why` is a word for what made it sick, times are ms since the epoch.

    `problems` say in words what of it cannot be used: a node class that cannot be read, say.
    """

    state: State
    since_ms: int | None
    why: str
    busy: int
    offered: int
    seen_at_ms: int | None
    version: Mapping[str, Any]
    problems: Sequence[str] = ()


class Health:
    """What is heard of one server, told to all workers.

    `queues` are those whose jobs may wait for it; `on_fault` hears of each fault of its device, and
    of each time that it was stuck: the server's name and the word for it.
    """

    def __init__(
        self,
        store: Store,
        server: ConfiguredServer,
        breaker: Breaker,
        queues: Sequence[str],
        *,
        recovery_s: float = RECOVERY_S,
        on_fault: Callable[[str, str], None] = lambda _server, _why: None,
    ) -> None:
        self.server = server
        self._store = store
        self._breaker = breaker
        self._queues = tuple(queues)
        self._recovery_s = recovery_s
        self._on_fault = on_fault

    async def heard(self, *, good: bool) -> None:
        """A job's calls went well, or the server was away for them."""
        await self._breaker.tell("success" if good else "failure")

    async def sideline(self, why: str) -> None:
        """Its device is broken, or it does no work: nobody is to be given it until it has been well for a while."""
        log.error("server %s is taken out of the fleet: %s", self.server.name, why)
        self._on_fault(self.server.name, why)
        with suppress(Unavailable):
            await self._store.run(SIDELINE, (), (self.server.name, why))

    async def tell(self, problems: Sequence[str]) -> None:
        """What of it cannot be used, in words for people. Raises Unavailable."""
        told = [problem[:_PROBLEM_LENGTH_MAX] for problem in problems[:_PROBLEMS_MAX]]
        more = len(problems) - len(told)
        told += [f"and {more} more"] if more else []
        await self._store.call("HSET", self._store.keys.server + self.server.name, "problems", orjson.dumps(told))

    async def probe(self, ask: Callable[[], Awaitable[Mapping[str, Any]]]) -> State:
        """Ask the server, if it is time to; what it is now. `ask` answers with what the server says of itself.

        Raises Unavailable while Redis is away.
        """
        told: Mapping[str, Any] = {}
        good = False
        with suppress(Unavailable):
            async with self._breaker.guard():
                told = await ask()
                good = True
        return await self._probed(told, good=good)

    async def _probed(self, told: Mapping[str, Any], *, good: bool) -> State:
        times_ms = (round(self._recovery_s * 1000), round(RECOVERY_S_MAX * 1000))
        server = self.server
        about: tuple[Word, ...] = (server.name, int(good), *times_ms, orjson.dumps(told), server.slots)
        state, before = (word.decode() for word in await self._store.run(PROBED, (), (*about, *self._queues)))
        if state != before:
            level = logging.INFO if state == "well" else logging.WARNING
            log.log(level, "server %s is %s", self.server.name, state)
        return cast("State", state)


async def look_at(store: Store, server: str) -> ServerState:
    """How a server is. Raises Unavailable."""
    state, since, why, busy, offered, seen, version, problems = await store.run(LOOK, (), (server,))
    return ServerState(
        cast("State", state.decode()),
        int(since) if since else None,
        why.decode(),
        busy,
        offered,
        int(seen) if seen else None,
        orjson.loads(version or b"{}"),
        orjson.loads(problems or b"[]"),
    )
