"""A Cog container of one's own (https://cog.run/http/): the part of Replicate's protocol that it speaks.

It keeps nothing: a result is there once, in the answer to the request that made it. So the request is held open, and
the job holds its slot meanwhile. The id of a prediction is ours, and to ask for a running one again makes no other.
The container stands in our network, so it is given bytes and never an address that a caller chose.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from libs.backends.limiter import Limiter
from libs.backends.prediction.order import MakeOrder, new_marker
from libs.backends.prediction.prediction import Prediction, failure_of, read_prediction
from libs.backends.prediction.reference import Made, Over, Reference, read_reference
from libs.backends.prediction.server import Breaker, told_of
from libs.backends.prediction.terms import Terms
from libs.backends.submission import Submission, Watcher
from libs.backends.transport import Reply, Transport
from libs.errors import Failure, Unavailable

__all__ = ["Cog"]

_SLOT_S: Final = 10.0
_CANCEL_S: Final = 5.0
#: How long until a container that is full, or works on this very prediction, is asked again.
_BUSY_S: Final = 1.0
_STILL_RUNS, _FULL = 202, 409
_CALLER: Final = frozenset({400, 404, 413, 422})


class Cog:
    """One container. `max_wait_s` is how long a prediction may take."""

    fetches = False

    def __init__(
        self,
        name: str,
        url: str,
        *,
        breaker: Breaker,
        creations: Limiter,
        terms: Terms,
        max_wait_s: float,
        token: str = "",
    ) -> None:
        """Connect to nothing yet; raises ValueError when `url` is none."""
        self.name = name
        self.terms = terms
        self.max_wait_s = max_wait_s
        self._breaker = breaker
        self._creations = creations
        self._token = token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._transport = Transport(name, url, call_s=max_wait_s, headers=headers)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def advance(self, order: MakeOrder, watcher: Watcher) -> Prediction:
        """The prediction, made now. Raises Failure and Unavailable."""
        number, reference = self._standing(watcher.submission)
        wanted = await order()
        if not isinstance(reference, Made):
            number += 1
            reference = Made(0, new_marker(watcher.job_id, number))
            await self._record(watcher, number, reference)
        try:
            prediction = await self._run(reference.prediction_id, dict(wanted.input))
        except Failure:
            await self._record(watcher, number, Over())
            raise
        except asyncio.CancelledError:
            if watcher.stop_reason in ("canceled", "timed_out"):
                await self._cancel(reference.prediction_id)
            raise
        if prediction.status != "succeeded":
            await self._record(watcher, number, Over())
            raise failure_of(self.name, prediction)
        return prediction

    async def end(self, _order: MakeOrder, submission: Submission, _job_id: str) -> None:
        """End what an earlier attempt left there."""
        _, reference = self._standing(submission)
        if isinstance(reference, Made):
            await self._cancel(reference.prediction_id)

    async def discard(self, watcher: Watcher) -> None:
        """The next attempt makes another."""
        number, _ = self._standing(watcher.submission)
        await self._record(watcher, number, Over())

    async def _run(self, prediction_id: str, told: dict[str, object]) -> Prediction:
        async with self._breaker.guard() as call, self._creations.slot(deadline_s=_SLOT_S):
            try:
                async with asyncio.timeout(self.max_wait_s):
                    reply = await self._transport.put(
                        f"/predictions/{prediction_id}", {"input": told}, total_s=self.max_wait_s + 1
                    )
            except TimeoutError:
                call.answered()  # a model that is slow is no container that is broken
                await self._cancel(prediction_id)
                detail = f"{self.name} took longer than {self.max_wait_s:g} s"
                raise Failure("prediction_timed_out", detail, retryable=True, fault="ours") from None
            if reply.status in (_FULL, _STILL_RUNS):
                call.answered()
                raise Unavailable(f"{self.name}:busy", f"{self.name} is busy", retry_in_s=_BUSY_S)
            if reply.status in _CALLER:
                call.answered()
                raise Failure("order_declined", told_of(self.name, reply, self._token), fault="caller")
            return self._read(reply, prediction_id)

    def _read(self, reply: Reply, prediction_id: str) -> Prediction:
        try:
            prediction = read_prediction(reply.require_ok().load_object(), id_known=prediction_id)
        except ValueError:
            raise Unavailable(self.name, f"{self.name} answered with something unreadable") from None
        if not prediction.ended:
            raise Unavailable(self.name, f"{self.name} answered before it was done")
        return prediction

    async def _cancel(self, prediction_id: str) -> None:
        """To be on the safe side: a container that notices a closed connection has stopped by itself."""
        with suppress(Unavailable):
            await self._transport.post(f"/predictions/{prediction_id}/cancel", {}, total_s=_CANCEL_S)

    def _standing(self, submission: Submission | None) -> tuple[int, Reference]:
        return (0, Over()) if submission is None else (submission.number, read_reference(submission.ref))

    async def _record(self, watcher: Watcher, number: int, reference: Reference) -> None:
        await watcher.submitted(Submission(self.name, str(reference), number))
        if watcher.stop_reason is not None:
            raise asyncio.CancelledError
