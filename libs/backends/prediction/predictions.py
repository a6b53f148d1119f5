"""Every provider of predictions of a deployment, and which of them makes which."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from libs.backends.prediction.order import MakeOrder
from libs.backends.prediction.prediction import Prediction
from libs.backends.prediction.terms import Terms
from libs.backends.submission import Submission, Watcher
from libs.errors import Unavailable

__all__ = ["Maker", "Predictions"]

_NO_PROVIDER_S: Final = 30.0


class Maker(Protocol):
    """Somebody who makes predictions: `Provider`, or `Cog`.

    `fetches` says whether it may be given addresses of others to fetch from: one in our own network may not.
    `max_wait_s` is how long a prediction may take there.
    """

    name: str
    terms: Terms
    fetches: bool
    max_wait_s: float

    async def aclose(self) -> None:
        """Close the connections."""

    async def advance(self, order: MakeOrder, watcher: Watcher) -> Prediction | None:
        """The prediction, once it has succeeded; None while it goes on. Raises Failure and Unavailable."""

    async def end(self, order: MakeOrder, submission: Submission, job_id: str) -> None:
        """End what an earlier attempt left there."""

    async def discard(self, watcher: Watcher) -> None:
        """What there is is of no use: the next attempt makes another."""


class Predictions:
    """Whoever makes predictions here. Which one is asked says the model; the first one has all that no other names."""

    def __init__(self, makers: Sequence[Maker] = ()) -> None:
        self._makers = {maker.name: maker for maker in makers}

    @property
    def makers(self) -> tuple[Maker, ...]:
        """All of them, the first one first."""
        return tuple(self._makers.values())

    async def aclose(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(maker.aclose() for maker in self._makers.values()))

    def maker(self, model: str | None, submission: Submission | None = None) -> Maker:
        """Who goes on with a submission, or begins. Raises Unavailable where there is nobody."""
        if submission is not None and submission.backend in self._makers:
            return self._makers[submission.backend]
        for maker in self._makers.values():
            if model is not None and maker.terms.runs(model):
                return maker
        for maker in self._makers.values():
            return maker
        raise Unavailable("prediction", "no prediction API is configured", retry_in_s=_NO_PROVIDER_S)
