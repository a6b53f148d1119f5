"""The body of a batch: its items are read one at a time, so that 50,000 of them are never in memory as values."""

from __future__ import annotations

import asyncio
import hashlib
import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

import orjson

from apps.api.body import parse_json, parse_large
from apps.api.json_text import Ceilings, OddError, end_of_value
from libs import limits
from libs.errors import Refusal, invalid

__all__ = ["ITEMS_BETWEEN_YIELDS", "TEXT_BETWEEN_YIELDS", "BatchBody", "read_batch_body"]

#: So many items, or so many bytes of them, are worked on before another request gets its turn.
ITEMS_BETWEEN_YIELDS: Final = 45
TEXT_BETWEEN_YIELDS: Final = limits.BODY_SMALL_BYTES_MAX

_SPACE = re.compile(rb"[ \t\n\r]*")
_NAME = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NAME_BYTES_MAX = 1_024
#: No item is larger than an order; the depth counts from the body's own root.
_ITEM = Ceilings(None, limits.GRAPH_VALUES_MAX, limits.JSON_DEPTH_MAX - 2)
_MEMBER = replace(_ITEM, depth_max=limits.JSON_DEPTH_MAX - 1)

#: Refuses a batch with so many items.
TooMany = Callable[[int], NoReturn]


def _too_many(_count: int) -> NoReturn:
    raise invalid("#/items", f"A batch has at most {limits.BATCH_ITEMS_MAX} items", "too_long")


@dataclass(slots=True)
class BatchBody:
    """The members of a body, and where its items stand in the text; `digest` is the SHA-256 of the canonical body."""

    text: bytes
    members: dict[str, Any]
    spans: array[int] | None
    digest: str
    values: int

    @property
    def items_count(self) -> int:
        """How many items there are."""
        return len(self.spans or ()) // 2

    def items(self) -> Iterator[tuple[Any, int]]:
        """Each item as a value, in order, and the length of its text."""
        spans = self.spans or array("Q")
        for at in range(0, len(spans), 2):
            yield orjson.loads(self.text[spans[at] : spans[at + 1]]), spans[at + 1] - spans[at]


async def read_batch_body(
    text: bytes, *, items_max: int = limits.BATCH_ITEMS_MAX, too_many: TooMany = _too_many
) -> BatchBody:
    """Read a body through once, giving others their turn meanwhile; no further than to the first item too many.

    Refuses what any other body is refused for (see `apps.api.body`), a body that is no object, and too many items:
    as `too_many` says, where the caller may have fewer than a batch.
    """
    reading = _Reading(text, items_max, too_many)
    try:
        return await reading.body()
    except OddError:
        await reading.refuse()


class _Reading:
    """One body on its way through."""

    def __init__(self, text: bytes, items_max: int, too_many: TooMany) -> None:
        self._text = text
        self._items_max = items_max
        self._too_many = too_many if items_max < limits.BATCH_ITEMS_MAX else _too_many
        self._spans: array[int] | None = None
        self._canonical = hashlib.sha256()
        self._values = 0

    async def body(self) -> BatchBody:
        text, members = self._text, dict[str, Any]()
        at = _after(text, _skip(text, 0), b"{")
        more = text[at : at + 1] != b"}"
        while more:
            name, at = _name(text, at)
            if name in members or (name == "items" and self._spans is not None):
                raise Refusal("malformed_request", f"The body is not JSON: the member {name[:64]!r} is there twice")
            if name == "items" and text[at : at + 1] == b"[":
                at = await self._items(at)
            else:
                members[name], at = await self._value(at, _MEMBER)
            at = _skip(text, at)
            more = text[at : at + 1] == b","
            at = _skip(text, at + 1) if more else at
        if _after(text, at, b"}") != len(text):
            raise OddError
        self._canonical.update(orjson.dumps(members, option=orjson.OPT_SORT_KEYS))
        return BatchBody(text, members, self._spans, self._canonical.hexdigest(), self._values)

    async def refuse(self) -> NoReturn:
        """Say what is wrong with a text that could not be read so, as for any other body where that can be told."""
        ceilings = Ceilings(None, limits.GRAPH_VALUES_MAX)
        if not isinstance(await parse_large(self._text, ceilings), dict):
            raise invalid("#", "The body must be a JSON object", "type")
        raise Refusal("malformed_request", "The body is not JSON")

    async def _items(self, at: int) -> int:
        """Where the items end; their canonical text goes into the digest."""
        text, spans = self._text, array("Q")
        self._spans, at, unseen = spans, _skip(text, at + 1), 0
        more = text[at : at + 1] != b"]"
        while more:
            if len(spans) >= 2 * self._items_max:
                self._too_many(len(spans) // 2 + 1)
            value, end = await self._value(at, _ITEM)
            self._canonical.update(orjson.dumps(value, option=orjson.OPT_SORT_KEYS) + b",")
            spans.extend((at, end))
            unseen += end - at
            at = _skip(text, end)
            more = text[at : at + 1] == b","
            at = _skip(text, at + 1) if more else at
            if unseen > TEXT_BETWEEN_YIELDS or len(spans) % (2 * ITEMS_BETWEEN_YIELDS) == 0:
                unseen = 0
                await asyncio.sleep(0)
        return _after(text, at, b"]")

    async def _value(self, at: int, ceilings: Ceilings) -> tuple[Any, int]:
        """The value that begins here, and where it ends."""
        end, values = await end_of_value(self._text, at, ceilings)
        self._values += values
        if self._values > limits.JSON_VALUES_MAX:
            raise Refusal("malformed_request", f"The body has more than {limits.JSON_VALUES_MAX} values")
        text = self._text[at:end]
        if len(text) <= limits.BODY_SMALL_BYTES_MAX:
            return parse_json(text, ceilings), end
        return await parse_large(text, ceilings), end


def _name(text: bytes, at: int) -> tuple[str, int]:
    """The name of a member, and where its value begins."""
    found = _NAME.match(text, at, at + _NAME_BYTES_MAX)
    if found is None:
        raise OddError
    try:
        name = str(orjson.loads(found[0]))
    except orjson.JSONDecodeError:
        raise OddError from None
    return name, _skip(text, _after(text, _skip(text, found.end()), b":"))


def _skip(text: bytes, at: int) -> int:
    """Behind any white space."""
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _after(text: bytes, at: int, mark: bytes) -> int:
    """Behind a mark that must stand here, and any white space."""
    if text[at : at + 1] != mark:
        raise OddError
    return _skip(text, at + 1)
