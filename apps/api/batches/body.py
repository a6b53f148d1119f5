"""The body of a batch: its items are read one at a time, so that 50,000 of them are never in memory as values."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from apps.api.body import parse_json
from libs import limits
from libs.errors import Refusal, invalid

__all__ = ["ITEMS_BETWEEN_YIELDS", "BatchBody", "read_batch_body"]

#: So many items are worked on before another request gets its turn.
ITEMS_BETWEEN_YIELDS: Final = 45

_SPACE = re.compile(rb"[ \t\n\r]*")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_STRUCTURE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_SCALAR = re.compile(rb"[^ \t\n\r,\]}]+")


class _OddError(ValueError):
    """The text is no JSON object, or none that is written in a way that we read."""


@dataclass(frozen=True, slots=True)
class BatchBody:
    """The members of a body, and where its items stand in the text; `digest` is the SHA-256 of the canonical body."""

    text: bytes
    members: dict[str, Any]
    items_at: int | None
    items_count: int
    digest: str

    def items(self) -> Iterator[Any]:
        """Each item as a value, in order."""
        if self.items_at is not None:
            for start, end in _elements(self.text, self.items_at):
                yield orjson.loads(self.text[start:end])


async def read_batch_body(text: bytes) -> BatchBody:
    """Read a body through once, giving others their turn meanwhile.

    Refuses what any other body is refused for (see `apps.api.body`), a body that is no object, and too many items.
    """
    try:
        return await _read(text)
    except _OddError:
        if not isinstance(parse_json(text), dict):  # which refuses it, and says why
            raise invalid("#", "The body must be a JSON object", "type") from None
        raise Refusal("malformed_request", "The body is not JSON") from None


async def _read(text: bytes) -> BatchBody:
    members: dict[str, Any] = {}
    items_at, count, canonical = None, 0, hashlib.sha256()
    at = _after(text, _skip(text, 0), b"{")
    more = text[at : at + 1] != b"}"
    while more:
        name, at = _name(text, at)
        if name in members or (name == "items" and items_at is not None):
            raise Refusal("malformed_request", f"The body is not JSON: the member {name[:64]!r} is there twice")
        if name == "items" and text[at : at + 1] == b"[":
            items_at = at
            count, at = await _read_items(text, at, canonical)
        else:
            end = _end_of_value(text, at)
            members[name] = parse_json(text[at:end])
            at = end
        at = _skip(text, at)
        more = text[at : at + 1] == b","
        at = _skip(text, at + 1) if more else at
    if _after(text, at, b"}") != len(text):
        raise _OddError
    canonical.update(orjson.dumps(members, option=orjson.OPT_SORT_KEYS))
    return BatchBody(text, members, items_at, count, canonical.hexdigest())


async def _read_items(text: bytes, at: int, canonical: Any) -> tuple[int, int]:
    """How many items there are, and where they end; their canonical text goes into the digest."""
    count, behind = 0, at + 1
    for start, end in _elements(text, at):
        count += 1
        if count > limits.BATCH_ITEMS_MAX:
            raise invalid("#/items", f"A batch has at most {limits.BATCH_ITEMS_MAX} items", "too_long")
        canonical.update(orjson.dumps(parse_json(text[start:end]), option=orjson.OPT_SORT_KEYS) + b",")
        behind = end
        if count % ITEMS_BETWEEN_YIELDS == 0:
            await asyncio.sleep(0)
    return count, _after(text, _skip(text, behind), b"]")


def _elements(text: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Where each element of the array that begins at `at` stands."""
    at = _skip(text, at + 1)
    if text[at : at + 1] == b"]":
        return
    while True:
        end = _end_of_value(text, at)
        yield at, end
        at = _skip(text, end)
        if text[at : at + 1] != b",":
            return
        at = _skip(text, at + 1)


def _name(text: bytes, at: int) -> tuple[str, int]:
    """The name of a member, and where its value begins."""
    found = _STRING.match(text, at)
    if found is None:
        raise _OddError
    try:
        name = str(orjson.loads(found[0]))
    except orjson.JSONDecodeError:
        raise _OddError from None
    return name, _skip(text, _after(text, _skip(text, found.end()), b":"))


def _end_of_value(text: bytes, at: int) -> int:
    """Where a value ends if it is JSON; whether it is, its parser says."""
    if text[at : at + 1] not in (b"{", b"["):
        found = _STRING.match(text, at) or _SCALAR.match(text, at)
        if found is None:
            raise _OddError
        return found.end()
    depth = 0
    for token in _STRUCTURE.finditer(text, at):
        match token[0]:
            case b"{" | b"[":
                depth += 1
            case b"}" | b"]":
                depth -= 1
        if depth == 0:
            return token.end()
    raise _OddError


def _skip(text: bytes, at: int) -> int:
    """Behind any white space."""
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _after(text: bytes, at: int, mark: bytes) -> int:
    """Behind a mark that must stand here, and any white space."""
    if text[at : at + 1] != mark:
        raise _OddError
    return _skip(text, at + 1)
