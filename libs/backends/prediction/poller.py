"""Reading a provider's list for all jobs that wait there: one worker does, and wakes those whose prediction has ended.

A list has a hundred predictions on a page, so that is a read for a hundred jobs, and never one each. What the list does
not show is asked for one by one, a few at a time.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

from libs.backends.prediction.notes import Awaited, Notes
from libs.backends.prediction.prediction import Prediction
from libs.backends.prediction.server import Server
from libs.errors import Unavailable

__all__ = ["Poller"]

log = logging.getLogger(__name__)

_HEARTBEAT_S: Final = 30.0
_IDLE_S: Final = 1.0
_TERM_MS_MIN: Final = 5_000
#: Pages beyond those that the awaited predictions would fill: others use the account too.
_PAGES_MORE, _PAGE_SIZE = 5, 100
_SINGLES_MAX: Final = 20
#: How old a prediction is that the list should show.
_LISTED_AFTER_MS: Final = 10_000
_WOKEN_AT_ONCE: Final = 100
#: How long after its job should have given it up a prediction is still looked for.
_FORGOTTEN_AFTER_S: Final = 600.0

Wake = Callable[[Sequence[str]], Awaitable[Sequence[str]]]


class Poller:
    """One for each provider in each worker; they take turns. `wake` has jobs looked at now, and says which are over."""

    def __init__(
        self, server: Server, notes: Notes, wake: Wake, *, worker: str, every_s: float, max_wait_s: float
    ) -> None:
        self._server = server
        self._notes = notes
        self._wake = wake
        self._worker = worker
        self._every_s = every_s
        self._kept_ms = (max_wait_s + _FORGOTTEN_AFTER_S) * 1_000
        self._noted: set[str] = set()
        self._cycles = 0
        self._told_at = 0.0

    async def keep_polling(self) -> None:
        """Poll whenever it is this worker's turn, for ever."""
        term_ms = max(_TERM_MS_MIN, round(2_000 * self._every_s))
        try:
            while True:
                pause_s = await self._turn(term_ms)
                await asyncio.sleep(pause_s)
        finally:
            with suppress(Unavailable):
                await self._notes.leave_turn(self._worker)

    async def _turn(self, term_ms: int) -> float:
        """Poll if it is our turn; the seconds until the next one."""
        try:
            if await self._notes.take_turn(self._worker, term_ms):
                awaited = await self.poll()
                await self._tell()
                return self._every_s if awaited else min(_IDLE_S, self._every_s)
        except Unavailable as error:
            log.debug("polling %s: %s", self._server.name, error)
        except Exception:
            log.exception("polling %s failed", self._server.name)
        return self._every_s

    async def poll(self) -> int:
        """Look once, and wake those whose prediction has ended; how many are waited for."""
        self._cycles += 1
        now_ms = await self._notes.now_ms()
        everyone = await self._notes.awaited()
        await self._forget(each for each in everyone if now_ms - each.since_ms > self._kept_ms)
        awaited = {each.prediction_id: each for each in everyone if now_ms - each.since_ms <= self._kept_ms}
        self._noted &= awaited.keys()
        wanted = awaited.keys() - self._noted
        found = await self._listed(wanted)
        missing = [each for each in awaited.values() if each.prediction_id in wanted - found.keys()]
        found |= await self._singles(each for each in missing if now_ms - each.since_ms > _LISTED_AFTER_MS)
        ended = [each for each in found.values() if each.ended]
        await asyncio.gather(*[self._notes.note_end(awaited[each.id].job_id, each) for each in ended])
        self._noted.update(each.id for each in ended)
        # Who was woken before it had begun to wait, or is not through yet, is still there and woken again.
        over = await self._wake_all([awaited[prediction_id].job_id for prediction_id in self._noted])
        # An attempt that has lost its lease may have noted its prediction after the job was through with it.
        await self._forget(awaited[each] for each in self._noted if awaited[each].job_id in over)
        return len(awaited)

    async def _listed(self, wanted: Iterable[str]) -> dict[str, Prediction]:
        """Those that the list shows; as few pages as show all of them."""
        missing, found, cursor = set(wanted), dict[str, Prediction](), None
        for _ in range(_PAGES_MORE + 2 * len(missing) // _PAGE_SIZE):
            page = await self._server.page(cursor) if missing else None
            if page is None:
                break
            found |= {each.id: each for each in page.predictions if each.id in missing}
            missing -= found.keys()
            cursor = page.cursor
            if cursor is None:
                break
        return found

    async def _singles(self, missing: Iterable[Awaited]) -> dict[str, Prediction]:
        """The longest awaited of those that the list did not show, up to the first that nothing can be said of now.

        In any order: one that always fails holds up nobody for long, and a round costs the breaker one failure at most.
        """
        oldest = sorted(missing, key=lambda each: each.since_ms)[:_SINGLES_MAX]
        random.shuffle(oldest)
        found: dict[str, Prediction] = {}
        with suppress(Unavailable):
            for each in oldest:
                prediction = await self._server.find(each.prediction_id)
                if prediction is None:
                    await self._wake([each.job_id])  # it finds out for itself that it is gone
                else:
                    found[each.prediction_id] = prediction
        return found

    async def _wake_all(self, job_ids: Sequence[str]) -> set[str]:
        over: set[str] = set()
        for first in range(0, len(job_ids), _WOKEN_AT_ONCE):
            over.update(await self._wake(job_ids[first : first + _WOKEN_AT_ONCE]))
        return over

    async def _forget(self, stale: Iterable[Awaited]) -> None:
        for each in stale:
            await self._notes.forget(each.prediction_id, each.job_id)

    async def _tell(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._told_at + _HEARTBEAT_S:
            return
        self._told_at = now
        awaited, use = await asyncio.gather(self._notes.awaited(), self._server.creations.use())
        told = "%s: cycle %d, %d predictions awaited, %d creations queued, %d of %d a window used"
        per_window = self._server.creations.rule.per_minute
        log.info(told, self._server.name, self._cycles, len(awaited), use.queued, use.requests, per_window)
