"""The chain of the audit log: each entry's hash is over its members, one of which is the hash of the entry before.

Whoever can write to Redis can also write a whole new chain. What holds them is a hash noted elsewhere: `verify` tells
the newest one, and checks one that was noted before.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from libs.store.client import Store

__all__ = ["BrokenChainError", "Chain", "Link", "entry_hash", "verify"]

_PAGE = 500
_MEMBERS = ("n", "at", "actor", "api_key", "request", "act", "on", "before", "after", "previous")


class BrokenChainError(Exception):
    """The log is not what was once written; says at which entry that shows."""


@dataclass(frozen=True, slots=True)
class Link:
    """An entry's number and its hash: enough to hold the whole log up to there."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Chain:
    """What was verified: entries `first` to `last`; before the first lie those that were archived."""

    first: Link
    last: Link


def entry_hash(entry: Mapping[str, str]) -> str:
    """SHA-256 in hex over the members, each as a netstring (cr.yp.to/proto/netstrings.txt), its length in bytes."""
    members = [entry.get(name, "").encode() for name in _MEMBERS]
    return hashlib.sha256(b"".join(b"%d:%b," % (len(text), text) for text in members)).hexdigest()


async def verify(store: Store, noted: Link | None = None) -> Chain | None:
    """Follow the whole chain; None when there is no entry. Raises BrokenChainError and Unavailable.

    `noted` is a link that an earlier call told: an entry of that number must be there and have that hash still.
    """
    first = last = None
    async for entry in _entries(store):
        last = _follow(last, entry)
        first = first or last
        if noted is not None and last.number == noted.number and last.hash != noted.hash:
            raise BrokenChainError(f"entry {last.number} is not the one that was noted")
    if noted is not None and (first is None or last is None or not first.number <= noted.number <= last.number):
        raise BrokenChainError(f"entry {noted.number} is gone")
    return Chain(first, last) if first is not None and last is not None else None


def _follow(last: Link | None, entry: Mapping[str, str]) -> Link:
    """The link that follows; the first one there is must say itself whether anything came before it."""
    number = int(entry.get("n", "0"))
    if number < 1 or (last is not None and number != last.number + 1):
        raise BrokenChainError(f"entry {last.number + 1 if last else 1} is missing")
    came_before = last.hash if last is not None else ("" if number == 1 else entry.get("previous"))
    if entry.get("previous") != came_before:
        raise BrokenChainError(f"entry {number} does not follow the one before it")
    if entry.get("hash") != entry_hash(entry):
        raise BrokenChainError(f"entry {number} was changed")
    return Link(number, entry["hash"])


async def _entries(store: Store) -> AsyncIterator[dict[str, str]]:
    start = "-"
    while page := await store.call("XRANGE", store.keys.audit, start, "+", "COUNT", _PAGE):
        for _entry_id, words in page:
            yield _members(words)
        start = f"({page[-1][0].decode()}"


def _members(words: Sequence[bytes]) -> dict[str, str]:
    return {name.decode(): text.decode() for name, text in zip(words[::2], words[1::2], strict=True)}
