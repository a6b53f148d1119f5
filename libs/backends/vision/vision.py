"""Vision as handlers see it: providers in the order that an operator chose, the next one where one fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from libs.backends.vision.dialect import DeclinedError, TruncatedError, UnwantedError
from libs.backends.vision.picture import Picture
from libs.backends.vision.provider import Provider, TroubleError
from libs.backends.vision.reading import Reading
from libs.backends.vision.task import Task
from libs.errors import Failure, Unavailable

__all__ = ["Answer", "Vision"]

log = logging.getLogger(__name__)

_NO_PROVIDER_S = 30.0

#: What went wrong with one provider: its name, and a word of a small set.
OnError = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read, and by whom."""

    reading: Reading
    provider: str
    model: str


def _nothing(_provider: str, _code: str) -> None:
    return


class Vision:
    """Every vision provider of a deployment; `on_error` hears of each that failed."""

    def __init__(self, providers: Sequence[Provider] = (), *, on_error: OnError = _nothing) -> None:
        self._providers = tuple(providers)
        self._on_error = on_error

    @property
    def names(self) -> tuple[str, ...]:
        """The providers, in the order in which they are asked."""
        return tuple(provider.name for provider in self._providers)

    async def aclose(self) -> None:
        """Close every provider's connections."""
        await asyncio.gather(*(provider.aclose() for provider in self._providers))

    async def read(self, picture: Picture, task: Task) -> Answer:
        """The text of a picture, from the first provider that gives it.

        Raises Failure when a provider declines the picture (then no other is asked), when those that answer cannot
        read it, and (retryable) when one that was asked failed; Unavailable when none could be asked at all.
        """
        found: list[Exception] = []
        for provider in self._providers:
            try:
                return Answer(await provider.read(picture, task), provider.name, provider.model)
            except DeclinedError:
                self._on_error(provider.name, "declined")
                detail = f"{provider.name} declined to read this image"
                raise Failure("image_declined", detail, fault="caller") from None
            except (UnwantedError, TruncatedError, Unavailable) as error:
                self._on_error(provider.name, _code(error))
                log.info("%s did not read a picture: %s", provider.name, error or type(error).__name__)
                found.append(error)
        raise _together(found)


def _code(error: Exception) -> str:
    match error:
        case UnwantedError():
            return "unwanted"
        case TruncatedError():
            return "truncated"
        case TroubleError():
            return "trouble"
        case _:
            return "away"


def _together(found: Sequence[Exception]) -> Exception:
    """What it means that nobody could: an answer about the picture outweighs one about a provider."""
    codes = {_code(error) for error in found}
    if "unwanted" in codes:
        return Failure("image_rejected", "No vision provider accepts this image", fault="caller")
    if "truncated" in codes:
        return Failure("text_too_long", "The image has more text than a vision provider answers with", fault="caller")
    if "trouble" in codes:
        return Failure("vision_failed", "No vision provider could read the image", retryable=True)
    waits = [error.retry_in_s for error in found if isinstance(error, Unavailable)]
    detail = "every vision provider is away" if waits else "no vision provider is configured"
    return Unavailable("vision", detail, retry_in_s=min(waits, default=_NO_PROVIDER_S))
