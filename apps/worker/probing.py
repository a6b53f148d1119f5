"""Looking after the fleet: whether each server is well, and what it offers. One worker at a time does it for each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from libs.backends.comfyui import ComfyUI
from libs.backends.comfyui.object_info import UnreadableOfferError
from libs.backends.configured import ConfiguredBackend
from libs.backends.fleet.health import Health, State
from libs.backends.fleet.offers import publish_all, publish_server
from libs.errors import ArqadeError, Unavailable
from libs.store.client import Store
from libs.store.turns import take_turn
from libs.workflows.node_classes import publish_classes, publish_unreadable

__all__ = ["Prober"]

log = logging.getLogger(__name__)

_EVERY_S: Final = 5.0
#: How soon it is asked again when it is not well: a breaker closes on three good probes in a row.
_AGAIN_S: Final = 1.0
_OFFERS_EVERY_S: Final = 30.0
#: A large server is busy for seconds telling what it offers, and is asked for no more than a twentieth of its time.
_OFFERS_SHARE: Final = 20
_OFFERS_EVERY_S_MAX: Final = 600.0
_STRAYS_AT_ONCE: Final = 50


class Prober:
    """Probes one server while it is this worker's turn; `worker` is the id under which the turn is taken."""

    def __init__(
        self,
        store: Store,
        fleet: ConfiguredBackend,
        server: ComfyUI,
        health: Health,
        worker: str,
        queues: Sequence[str],
        *,
        every_s: float = _EVERY_S,
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._server = server
        self._health = health
        self._worker = worker
        self._queues = tuple(queues)
        self._every_s = every_s
        self._offers_due_at = 0.0
        self._told: list[str] = []

    async def keep_probing(self) -> None:
        """Probe whenever it is this worker's turn, for ever."""
        while True:
            pause_s = self._every_s
            try:
                if await self._my_turn() and await self._probe() != "well":
                    pause_s = min(_AGAIN_S, self._every_s)
            except Unavailable as error:
                log.debug("probing %s: %s", self._server.name, error)
            except Exception:
                log.exception("probing %s failed", self._server.name)
            await asyncio.sleep(pause_s)

    async def _my_turn(self) -> bool:
        term_ms = round(self._every_s * 3_000)
        return await take_turn(self._store, self._store.keys.probing + self._server.name, self._worker, term_ms)

    async def _probe(self) -> State:
        state = await self._health.probe(self._ask)
        now = asyncio.get_running_loop().time()
        if state != "away" and now >= self._offers_due_at:
            with suppress(ArqadeError):  # asked again at the next probe
                await self._publish_in_turn()
                took_s = asyncio.get_running_loop().time() - now
                self._offers_due_at = now + min(_OFFERS_EVERY_S_MAX, max(_OFFERS_EVERY_S, _OFFERS_SHARE * took_s))
        return state

    async def _publish_in_turn(self) -> None:
        """Publish, and keep the turn however long it takes: a large server is busy for seconds telling."""
        publishing = asyncio.create_task(self._publish())
        try:
            while not publishing.done():
                await asyncio.wait({publishing}, timeout=self._every_s)
                await self._my_turn()
            await publishing
        finally:
            publishing.cancel()

    async def _ask(self) -> dict[str, str]:
        """What the server says of itself; whatever was left behind there is ended before anybody is given it again."""
        version = await self._server.version()
        key = self._store.keys.strays + self._server.name
        for stray in await self._store.call("SRANDMEMBER", key, _STRAYS_AT_ONCE):
            with suppress(Unavailable):  # tried again at the next probe: what cannot be ended must not keep it away
                await self._server.end_prompt(stray.decode())
                await self._store.call("SREM", key, stray)
        return version

    async def _publish(self) -> None:
        name = self._server.name
        try:
            offer = await self._server.offer()
        except UnreadableOfferError as error:
            await publish_unreadable(self._store, name, error.detail)
            await self._tell([error.detail])
            return
        problems = offer.problems + await publish_classes(self._store, name, offer.classes)
        await publish_server(self._store, self._health.server, offer.classes, self._queues)
        await publish_all(self._store, self._fleet.name, self._fleet.servers)
        await self._tell(problems)

    async def _tell(self, problems: Sequence[str]) -> None:
        """Say what of the server cannot be used: in the log once, in `/backends` as long as it is so."""
        await self._health.tell(problems)
        for problem in problems if list(problems) != self._told else ():
            log.warning("server %s: %s", self._server.name, problem)
        self._told = list(problems)
