"""The chain of the audit log: each entry's hash is over its members, one of which is the hash of the entry before.

Whoever can write to Redis can also write a whole new chain, or cut off the end of this one. What holds them is a hash
noted elsewhere: by a worker (libs.archive.anchor), and by whoever keeps what `verify` tells.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from libs.store.client import Store

__all__ = ["Archived", "BrokenChainError", "Chain", "Link", "entry_hash", "entry_of", "follow_from", "verify"]

_PAGE = 500
_MEMBERS = ("n", "at", "actor", "api_key", "request", "act", "on", "before", "after", "previous")


#: Reads what was archived, oldest first.
Archived = Callable[[], AsyncIterator[Mapping[str, str]]]


class BrokenChainError(Exception):
    """The log is not what was once written; says at which entry that shows."""


@dataclass(frozen=True, slots=True)
class Link:
    """An entry's number and its hash: enough to hold the whole log up to there."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Chain:
    """What was verified: entries `first` to `last`."""

    first: Link
    last: Link


def entry_hash(entry: Mapping[str, str]) -> str:
    """SHA-256 in hex over the members, each as a netstring (cr.yp.to/proto/netstrings.txt), its length in bytes."""
    members = [entry.get(name, "").encode() for name in _MEMBERS]
    return hashlib.sha256(b"".join(b"%d:%b," % (len(text), text) for text in members)).hexdigest()


async def verify(
    store: Store, noted: Link | None = None, archived: Archived | None = None, anchored: Link | None = None
) -> Chain | None:
    """Follow the whole chain; None when there is no entry. Raises BrokenChainError and Unavailable.

    `noted` is a link that an earlier call told: an entry of that number must be there and have that hash still. So is
    `anchored`, which a worker noted (libs.archive.anchor).
    `archived` reads the archive. With it the chain must begin with entry 1 and lead from there into Redis, where the
    last archived entry still is.
    """
    known = {link.number: (link, word) for link, word in ((noted, "noted"), (anchored, "anchored")) if link is not None}
    if noted is not None and anchored is not None and noted.number == anchored.number and noted != anchored:
        raise BrokenChainError(f"entry {noted.number} is not the one that was noted")
    old = await _followed(archived(), known) if archived is not None else None
    live = await _followed(_entries(store), known, old.last if old is not None else None)
    earliest = old or live
    first = earliest.first if earliest is not None else None
    if archived is not None and first is not None and first.number != 1:
        raise BrokenChainError(f"entries 1 to {first.number - 1} are missing")
    if old is not None and (live is None or not live.first.number <= old.last.number <= live.last.number):
        raise BrokenChainError(f"entry {old.last.number}, the last in the archive, is missing in Redis")
    for link, word in known.values():
        if first is None or live is None or not first.number <= link.number <= live.last.number:
            raise BrokenChainError(f"entry {link.number} is gone" + (", which was anchored" if word != "noted" else ""))
    return Chain(first, live.last) if first is not None and live is not None else None


async def follow_from(store: Store, entry_id: str, link: Link) -> Link | None:
    """The newest link of the log in Redis, which goes on from that entry; None where Redis has the entry no more.

    Raises BrokenChainError and Unavailable.
    """
    last = None
    async for entry in _entries(store, entry_id):
        if last is None and (entry.get("n"), entry.get("hash")) != (str(link.number), link.hash):
            return None
        last = _follow(last, entry)
    return last


async def _followed(
    entries: AsyncIterator[Mapping[str, str]],
    known: Mapping[int, tuple[Link, str]],
    joint: Link | None = None,
) -> Chain | None:
    """Follow a run of entries; none of them may differ from those that are known already."""
    first = last = None
    async for entry in entries:
        last = _follow(last, entry)
        first = first or last
        expected, word = known.get(last.number, (last, ""))
        if expected.hash != last.hash:
            raise BrokenChainError(f"entry {last.number} is not the one that was {word}")
        if joint is not None and last.number == joint.number and last.hash != joint.hash:
            raise BrokenChainError(f"entry {last.number} is not the one in the archive")
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


async def _entries(store: Store, start: str = "-") -> AsyncGenerator[Mapping[str, str]]:
    while page := await store.call("XRANGE", store.keys.audit, start, "+", "COUNT", _PAGE):
        for _entry_id, words in page:
            yield entry_of(words)
        start = f"({page[-1][0].decode()}"


def entry_of(words: Sequence[bytes]) -> Mapping[str, str]:
    """An entry from its members as Redis replies them, name and value by turns."""
    return {name.decode(): text.decode() for name, text in zip(words[::2], words[1::2], strict=True)}
