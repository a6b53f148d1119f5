"""Reading `/object_info` class by class: of a large installation it is 100 MiB and more, and little of it is needed."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from libs import limits
from libs.backends.comfyui.node_class import NodeClass
from libs.backends.comfyui.node_input import Choice, with_shared
from libs.backends.comfyui.schema import read_class
from libs.errors import Unavailable

__all__ = ["Offer", "UnreadableOfferError", "members_of", "read_offer"]

_SPACE: Final = " \t\r\n"
#: What stands behind a value that has come whole: a number might go on.
_ENDS: Final = frozenset(_SPACE + ",:}]")
_VALUE_CHARACTERS_MAX: Final = 32 * 1024 * 1024
_NAME_LENGTH_MAX: Final = limits.WORKFLOW_NAME_LENGTH_MAX


class UnreadableOfferError(Unavailable):
    """A server answers, and what it says of its node classes cannot be read: waiting will not help."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server offers, as far as it can be read: its classes, and in words for people what of it cannot."""

    classes: dict[str, NodeClass] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_offer(chunks: Iterable[bytes]) -> Offer:
    """Read a whole answer; raises ValueError where it is no JSON object, or a class in it is too large to be read."""
    offer = Offer()
    lists: dict[tuple[Choice, ...], tuple[Choice, ...]] = {}
    left_out = 0
    for name, declared in members_of(chunks):
        if len(offer.classes) >= limits.NODE_CLASSES_MAX or not 1 <= len(name) <= _NAME_LENGTH_MAX:
            left_out += 1
            continue
        found = read_class(declared)
        inputs = {at: with_shared(one, lists) for at, one in found.inputs.items()}
        offer.classes[name] = replace(found, inputs=inputs)
        if found.unread:
            offer.problems.append(f"the node class {name!r} cannot be used: {found.unread}")
    if left_out:
        offer.problems.append(
            f"{left_out} node classes cannot be used: {limits.NODE_CLASSES_MAX} are read, "
            f"with names of at most {_NAME_LENGTH_MAX} characters"
        )
    return offer


def members_of(chunks: Iterable[bytes]) -> Iterator[tuple[str, Any]]:
    """The members of a JSON object, each parsed by itself: no more than one of them is held at a time.

    Raises ValueError where it is none.
    """
    text = _Text(chunks)
    text.take("{")
    if text.next() == "}":
        return
    while True:
        name = text.value()
        if not isinstance(name, str):
            raise ValueError("a member without a name")  # noqa: TRY004  # it is the text that is wrong
        text.take(":")
        yield name, text.value()
        if text.next() != ",":
            text.take("}")
            return
        text.take(",")


class _Text:
    """A text that comes in pieces: what has been read of it is let go."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        decoded = codecs.iterdecode(chunks, "utf-8", errors="replace")
        self._chunks = iter(decoded)
        self._buffer = ""
        self._at = 0
        self._decoder = json.JSONDecoder()

    def next(self) -> str:
        """The next character that is no space, which stays; raises ValueError at the end."""
        while True:
            while self._at < len(self._buffer):
                if self._buffer[self._at] not in _SPACE:
                    return self._buffer[self._at]
                self._at += 1
            if not self._more():
                raise ValueError("it ends in the middle")

    def take(self, character: str) -> None:
        """Go past this character; raises ValueError where another is."""
        if self.next() != character:
            raise ValueError(f"{character!r} is missing")
        self._at += 1

    def value(self) -> Any:
        """The next value. It is parsed anew as often as more of it has come, twice as much each time."""
        self.next()
        while True:
            try:
                found, end = self._decoder.raw_decode(self._buffer, self._at)
            except RecursionError:
                raise ValueError("values lie in values too deep") from None
            except ValueError:
                found, end = None, -1
            if end >= 0 and self._buffer[end : end + 1] in _ENDS:
                self._at = end
                return found
            if not self._grow():
                raise ValueError("it is no JSON, or ends in the middle")

    def _grow(self) -> bool:
        """Twice as much of the value as there is; whether there was more."""
        wanted = 2 * (len(self._buffer) - self._at)
        if wanted > 2 * _VALUE_CHARACTERS_MAX:
            raise ValueError("one of its members is too large")
        grown = False
        while len(self._buffer) - self._at < wanted and self._more():
            grown = True
        return grown

    def _more(self) -> bool:
        """The next piece behind what has not been read; whether there was one."""
        piece = next(self._chunks, None)
        if piece is None:
            return False
        self._buffer = self._buffer[self._at :] + piece
        self._at = 0
        return True
