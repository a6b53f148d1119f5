"""How a vision API is spoken: a request from a picture, an answer from a reply. Pure: nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from libs.backends.vision.picture import Picture
from libs.backends.vision.task import BoxForm, Task

__all__ = ["TOKENS_MAX", "DeclinedError", "Dialect", "TruncatedError", "UnwantedError", "Verdict"]

#: Tokens that an answer may have: the densest page that is worth reading so takes half of it.
TOKENS_MAX = 16_384

#: Why a provider says 4xx: it will not read this image, cannot, or will not deal with this deployment.
Verdict = Literal["declined", "unwanted", "operator"]


class DeclinedError(Exception):
    """The provider will not say what is in this image, for its own rules' sake. No other is asked then."""


class UnwantedError(Exception):
    """The provider cannot answer for this image; another may."""


class TruncatedError(Exception):
    """The answer has more tokens than one may have."""


class Dialect(Protocol):
    """One API. `box_form` is how its models write boxes."""

    box_form: BoxForm

    def headers(self, api_key: str) -> Mapping[str, str]:
        """What proves who asks: a header, for URLs get logged."""

    def request(self, model: str, picture: Picture, task: Task) -> tuple[str, Mapping[str, Any]]:
        """Path and body."""

    def answer(self, reply: Mapping[str, Any]) -> str:
        """What the model wrote.

        Raises DeclinedError, UnwantedError, TruncatedError; and KeyError, IndexError, TypeError, ValueError where the
        reply is not of its schema.
        """

    def verdict(self, status: int, reply: Mapping[str, Any]) -> Verdict:
        """What a 4xx other than 408 and 429 means."""
