"""The turns in which a batch's items become jobs: the next item of every store in each round.

What is exported is sorted by store as a rule, and only so many items of a batch are jobs at a time: taken as they were
given, the last store would begin when the first ones are through. A store is whatever has a fairness key of its own.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from libs.batches.batch import Batch
from libs.errors import Unavailable
from libs.store.client import Store

__all__ = ["Ranks", "Turns", "find_turns", "items_from", "pack_turns", "unpack_turns"]

#: An index is an unsigned number of 16 bits, the higher byte first: as the scripts read it. It bounds BATCH_ITEMS_MAX.
_BYTES: Final = 2


class Ranks:
    """Of each item, how many of its store were given before it."""

    def __init__(self) -> None:
        self._given: dict[str | None, int] = {}
        self.ranks = array("H")

    def add(self, fairness_key: str | None) -> None:
        """One more item; None is the batch's own lane."""
        rank = self._given.get(fairness_key, 0)
        self._given[fairness_key] = rank + 1
        self.ranks.append(rank)


class Turns:
    """In which turn each item is taken; without `items` (indices, by turn) as they were given."""

    def __init__(self, items: Iterable[int] = ()) -> None:
        self._turns = {index: turn for turn, index in enumerate(items)}

    def turn_of(self, index: int) -> int:
        """The turn of an item."""
        return self._turns.get(index, index)


def pack_turns(ranks: Sequence[int]) -> bytes:
    """The items' indices by turn, as they are stored: by rank, and as they were given within one.

    Empty where that is as they were given altogether.
    """
    if all(one <= other for one, other in pairwise(ranks)):
        return b""
    items = array("H", sorted(range(len(ranks)), key=ranks.__getitem__))
    return _turned(items).tobytes()


def unpack_turns(packed: bytes) -> Sequence[int]:
    """Indices by turn."""
    return _turned(array("H", packed))


async def find_turns(store: Store, batch: Batch) -> Turns:
    """The turns of a batch, of one that is over none: its results are stored by index. Raises Unavailable."""
    if batch.over or not batch.has_turns:
        return Turns()
    packed = await store.call("GET", store.keys.batch_turns + batch.id)
    if packed is None:  # it was over long before we asked
        raise Unavailable("redis", f"what is known here of batch {batch.id} is too old")
    return Turns(unpack_turns(packed))


async def items_from(store: Store, batch: Batch, turn: int, most: int) -> Sequence[int]:
    """The items of so many turns, from one on. Raises Unavailable."""
    end = min(turn + most, batch.items)
    if not batch.has_turns:
        return range(turn, end)
    key = store.keys.batch_turns + batch.id
    return unpack_turns(await store.call("GETRANGE", key, _BYTES * turn, _BYTES * end - 1))


def _turned(items: array[int]) -> array[int]:
    if sys.byteorder == "little":
        items.byteswap()
    return items
