"""The way of one prediction at a provider whose creations are not idempotent; any worker may take any step of it.

::

    over ── the creation goes out ──► sent ── its answer ──► made ── its end ──► the outputs, or over
                                       │                      ▲
                                       └── found in the list ─┘      a crash in between, or a lost answer

A creation is written to the job's record before it is sent. Whoever finds such a record without an id looks for the
prediction in the provider's list, and makes another only when it was not there twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from libs.backends.limiter import NoSlot
from libs.backends.prediction.notes import Notes
from libs.backends.prediction.order import MakeOrder, new_marker
from libs.backends.prediction.prediction import Prediction, failure_of
from libs.backends.prediction.reference import Made, Over, Reference, Sent, read_reference
from libs.backends.prediction.server import MisconfiguredError, Server
from libs.backends.prediction.terms import Terms
from libs.backends.submission import Submission, Watcher
from libs.errors import Failure, Unavailable

__all__ = ["Provider"]

log = logging.getLogger(__name__)

#: How often the list is searched for a creation whose answer was lost, and how long after the first time the next is.
_LOOKS: Final = 2
_SETTLES_S: Final = 5.0
#: How far the provider's clock may be from ours, and how many pages are searched.
_CLOCKS_PART_MS: Final = 60_000
_PAGES_MAX: Final = 100
#: How long a creation that is under way is waited for, so that it can be ended; and when its job goes elsewhere.
_UNDO_S: Final = 10.0
_HAND_OVER_S: Final = 1.0
#: What the row of creations may be long when a shut gate opens.
_ROW_S: Final = 2.0


class Provider:
    """Predictions of one provider.

    `max_wait_s` is how long one may take; `callback` makes the address that the end of a job's creation of a number is
    told to, None where the provider cannot reach us; `shut` keeps jobs away from it for a while.
    """

    fetches = True

    def __init__(
        self,
        server: Server,
        notes: Notes,
        terms: Terms,
        *,
        max_wait_s: float,
        callback: Callable[[str, int], str] | None,
        shut: Callable[[float], Awaitable[None]],
    ) -> None:
        self.name = server.name
        self.server = server
        self.notes = notes
        self.terms = terms
        self.max_wait_s = max_wait_s
        self._callback = callback
        self._shut = shut

    async def aclose(self) -> None:
        """Close the connections."""
        await self.server.aclose()

    async def advance(self, order: MakeOrder, watcher: Watcher) -> Prediction | None:
        """The prediction, once it has succeeded; None while it goes on: come back when called, or in `max_wait_s`.

        Raises Failure when nothing comes of it, and Unavailable when nothing can be said or done now.
        """
        number, reference = _standing(watcher.submission)
        match reference:
            case Made():
                return await self._look(watcher, number, reference)
            case Sent():
                found = await self._search(order, watcher, number, reference)
                if found is not None:
                    return await self._heed(watcher, number, Made(reference.since_ms, found.id), found)
        return await self._create(order, watcher, number + 1)

    async def end(self, order: MakeOrder, submission: Submission, job_id: str) -> None:
        """End at the provider what an earlier attempt left there; what cannot be found is left alone."""
        number, reference = _standing(submission)
        prediction_id = reference.prediction_id if isinstance(reference, Made) else None
        if isinstance(reference, Sent):
            found = await self._find_listed(order, job_id, number, reference)
            prediction_id = found.id if found else None
        if prediction_id is not None:
            await self.server.cancel(prediction_id)
            await self.notes.forget(prediction_id, job_id)

    async def discard(self, watcher: Watcher) -> None:
        """What there is is of no use: the next attempt makes another."""
        number, _ = _standing(watcher.submission)
        await self._record(watcher, number, Over())

    # ── a prediction that there is ──────────────────────────────────────────────────────────────────────────────

    async def _look(self, watcher: Watcher, number: int, made: Made) -> Prediction | None:
        prediction = await self.notes.find_end(watcher.job_id, made.prediction_id)
        prediction = prediction or await self.server.find(made.prediction_id)
        if prediction is None:
            await self._leave(watcher, number, made)
            raise Failure("prediction_lost", f"{self.name} does not know the prediction any more", retryable=True)
        return await self._heed(watcher, number, made, prediction)

    async def _heed(self, watcher: Watcher, number: int, made: Made, prediction: Prediction) -> Prediction | None:
        """What the state of a prediction means to its job."""
        if not prediction.ended:
            await self._wait_on(watcher, number, made)
            return None
        if prediction.status == "succeeded":
            await self.notes.forget(made.prediction_id, watcher.job_id)
            if watcher.submission is None or watcher.submission.ref != str(made):
                await self._record(watcher, number, made)
            return prediction
        await self._leave(watcher, number, made)
        raise failure_of(self.name, prediction)

    async def _wait_on(self, watcher: Watcher, number: int, made: Made) -> None:
        waited_ms = await self.notes.now_ms() - made.since_ms
        if waited_ms >= self.max_wait_s * 1_000:
            with suppress(Unavailable):
                await self.server.cancel(made.prediction_id)
            await self._leave(watcher, number, made)
            detail = f"{self.name} took longer than {self.max_wait_s:g} s"
            raise Failure("prediction_timed_out", detail, retryable=True, fault="ours")
        await self._keep(watcher, number, made)

    async def _keep(self, watcher: Watcher, number: int, made: Made) -> None:
        """Both are written in one round trip; the job's record is the one that counts."""
        await asyncio.gather(
            self._record(watcher, number, made),
            self.notes.adopt(made.prediction_id, watcher.job_id, made.since_ms),
        )

    async def _leave(self, watcher: Watcher, number: int, made: Made) -> None:
        await asyncio.gather(
            self._record(watcher, number, Over()), self.notes.forget(made.prediction_id, watcher.job_id)
        )

    async def _record(self, watcher: Watcher, number: int, reference: Reference) -> None:
        await watcher.submitted(Submission(self.name, str(reference), number))

    # ── a creation whose answer was lost ────────────────────────────────────────────────────────────────────────

    async def _search(self, order: MakeOrder, watcher: Watcher, number: int, sent: Sent) -> Prediction | None:
        found = await self._find_listed(order, watcher.job_id, number, sent)
        if found is not None:
            log.info("job %s: found its prediction %s again", watcher.job_id, found.id)
            return found
        if sent.looks + 1 < _LOOKS:
            await self._record(watcher, number, Sent(sent.since_ms, sent.looks + 1))
            detail = f"whether {self.name} made a prediction is not known yet"
            raise Unavailable(f"{self.name}:list", detail, retry_in_s=_SETTLES_S)
        return None

    async def _find_listed(self, order: MakeOrder, job_id: str, number: int, sent: Sent) -> Prediction | None:
        """The order's prediction in the provider's list, if nobody else waits for it."""
        wanted = (await order()).marked(new_marker(job_id, number))
        cursor, oldest_s = None, (sent.since_ms - _CLOCKS_PART_MS) / 1_000
        for _ in range(_PAGES_MAX):
            page = await self.server.page(cursor)
            if page is None:
                return None
            for prediction in page.predictions:
                if wanted.is_of(prediction) and await self.notes.adopt(prediction.id, job_id, sent.since_ms):
                    return prediction
            if page.unread:  # one of those may be it
                detail = f"{self.name} lists something unreadable"
                raise Unavailable(f"{self.name}:list", detail, retry_in_s=_SETTLES_S)
            last = page.predictions[-1].created_at_s if page.predictions else None
            cursor = page.cursor
            if cursor is None or (last is not None and last < oldest_s):
                return None
        log.warning("job %s: its prediction was looked for on %d pages", job_id, _PAGES_MAX)
        return None

    # ── a creation ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _create(self, order: MakeOrder, watcher: Watcher, number: int) -> Prediction | None:
        making = asyncio.ensure_future(self._make(order, watcher, number))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            await self._undo(making, watcher)
            raise

    async def _make(self, order: MakeOrder, watcher: Watcher, number: int) -> Prediction | None:
        marked, webhook = (
            (await order()).marked(new_marker(watcher.job_id, number)),
            self._webhook(watcher.job_id, number),
        )
        since_ms, sent = await self.notes.now_ms(), False

        async def sending() -> None:
            nonlocal sent
            await self._record(watcher, number, Sent(since_ms))
            if watcher.stop_reason is not None:
                raise asyncio.CancelledError
            sent = True

        try:
            prediction = await self.server.create(marked, webhook=webhook, sending=sending)
        except (NoSlot, MisconfiguredError, Failure) as error:
            if sent:
                await self._record(watcher, number, Over())
            if isinstance(error, Unavailable):
                await self._shut(max(0.0, error.retry_in_s - _ROW_S))
            raise
        except Unavailable as error:
            if not sent:  # its breaker is open
                await self._shut(error.retry_in_s)
            raise
        return await self._heed(watcher, number, Made(since_ms, prediction.id), prediction)

    def _webhook(self, job_id: str, number: int) -> str | None:
        return self._callback(job_id, number) if self._callback else None

    async def _undo(self, making: asyncio.Task[Prediction | None], watcher: Watcher) -> None:
        """The handler is stopped while a creation is under way: what it makes is ended, unless somebody goes on."""
        ends = watcher.stop_reason in ("canceled", "timed_out")
        await asyncio.wait({making}, timeout=_UNDO_S if ends else _HAND_OVER_S)
        if not making.done():
            making.cancel()
            return
        if not making.cancelled():
            making.exception()  # has been looked at: how the job ends is decided by why it is stopped
        _, reference = _standing(watcher.submission)
        if ends and isinstance(reference, Made):
            with suppress(Unavailable):
                await self.server.cancel(reference.prediction_id)
            await self.notes.forget(reference.prediction_id, watcher.job_id)


def _standing(submission: Submission | None) -> tuple[int, Reference]:
    """The number of the last creation, and what is known of it."""
    return (0, Over()) if submission is None else (submission.number, read_reference(submission.ref))
