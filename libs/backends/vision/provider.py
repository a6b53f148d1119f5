"""One vision provider: asked at most so long, left alone while it fails, its errors told in our words.

Nothing that it says in an error is passed on: providers quote keys there, and images.
"""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from libs.backends.transport import Reply, Transport
from libs.backends.vision.dialect import DeclinedError, Dialect, TruncatedError, UnwantedError
from libs.backends.vision.picture import Picture
from libs.backends.vision.reading import Reading, read_answer
from libs.backends.vision.task import Task
from libs.errors import Unavailable

__all__ = ["Breaker", "Provider", "TroubleError"]

log = logging.getLogger(__name__)

_CLIENT_ERRORS = range(400, 500)
_REQUEST_TIMEOUT, _TOO_MANY = 408, 429
_LIMITED_S, _LIMITED_S_MAX = 10.0, 300.0
_MISCONFIGURED_S = 60.0


class TroubleError(Unavailable):
    """The provider was asked, and did not answer as it should: what its breaker counts."""


class Call(Protocol):
    """One call under a breaker."""

    def answered(self) -> None:
        """The provider answered in its own words: what is raised now is no failure of its."""


class Breaker(Protocol):
    """What a provider needs of `libs.backends.breaker.Breaker`."""

    def guard(self) -> AbstractAsyncContextManager[Call]:
        """Leave to call; raises Unavailable while there is none."""


class Provider:
    """One API under one key. `name` is its word in results, errors and metrics; `model` is asked."""

    def __init__(
        self,
        name: str,
        dialect: Dialect,
        *,
        url: str,
        api_key: str,
        model: str,
        breaker: Breaker,
        timeout_s: float = 30.0,
    ) -> None:
        """Connect to nothing yet; raises ValueError when `url` is none."""
        self.name = name
        self.model = model
        self._dialect = dialect
        self._breaker = breaker
        self._transport = Transport(name, url, call_s=timeout_s, headers=dialect.headers(api_key))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def read(self, picture: Picture, task: Task) -> Reading:
        """The text of a picture.

        Raises TroubleError (it failed), Unavailable (not now: it has failed too often, is busy or not set up rightly),
        and of this picture DeclinedError, UnwantedError or TruncatedError.
        """
        path, body = self._dialect.request(self.model, picture, task)
        async with self._breaker.guard() as call:
            try:
                reply = await self._transport.post(path, body)
            except Unavailable as error:
                raise TroubleError(self.name, error.detail) from error
            if reply.status in _CLIENT_ERRORS and reply.status != _REQUEST_TIMEOUT:
                call.answered()
                raise self._refusal(reply)
            if not reply.ok:
                raise TroubleError(self.name, f"{self.name} answered with status {reply.status}")
            try:
                return self._read(reply, picture)
            except (DeclinedError, UnwantedError, TruncatedError):
                call.answered()
                raise

    def _read(self, reply: Reply, picture: Picture) -> Reading:
        try:
            answer = self._dialect.answer(reply.load_object())
            return read_answer(answer, self._dialect.box_form, picture)
        except (Unavailable, KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            log.warning("%s answered with something that is not of its schema (%s)", self.name, type(error).__name__)
            raise TroubleError(self.name, f"{self.name} answered with something unreadable") from None

    def _refusal(self, reply: Reply) -> Exception:
        """What a 4xx means to the job."""
        if reply.status == _TOO_MANY:
            wait_s = min(reply.retry_after_s or _LIMITED_S, _LIMITED_S_MAX)
            return Unavailable(self.name, f"{self.name} has had enough requests for now", retry_in_s=wait_s)
        verdict = self._dialect.verdict(reply.status, reply.find_object() or {})
        if verdict == "operator":
            log.error("%s answers with status %d: look at its key, its URL and its model", self.name, reply.status)
            return Unavailable(self.name, f"{self.name} is not set up rightly", retry_in_s=_MISCONFIGURED_S)
        return DeclinedError() if verdict == "declined" else UnwantedError()
