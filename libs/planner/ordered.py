"""A sorted set as Redis keeps one: members by score, and by name where scores are equal."""

from __future__ import annotations

import heapq
import math

__all__ = ["Ordered"]

_STALE_MIN = 64


class Ordered:
    """Members in the order of (score, member). Put, remove and pop take O(log n)."""

    __slots__ = ("_heap", "_scores")

    def __init__(self) -> None:
        self._scores: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []  # also holds entries that are out of date

    def __len__(self) -> int:
        return len(self._scores)

    def __contains__(self, member: str) -> bool:
        return member in self._scores

    def score(self, member: str) -> float | None:
        """A member's score, None when it is none."""
        return self._scores.get(member)

    def put(self, member: str, score: float) -> None:
        """Add a member, or move it."""
        if self._scores.get(member) == score:
            return
        self._scores[member] = score
        heapq.heappush(self._heap, (score, member))
        if len(self._heap) > 2 * len(self._scores) + _STALE_MIN:
            self._heap = [(score, member) for member, score in self._scores.items()]
            heapq.heapify(self._heap)

    def remove(self, member: str) -> bool:
        """Take a member out; whether it was in."""
        return self._scores.pop(member, None) is not None

    def first(self) -> tuple[str, float] | None:
        """The first member and its score."""
        while self._heap:
            score, member = self._heap[0]
            if self._scores.get(member) == score:
                return member, score
            heapq.heappop(self._heap)
        return None

    def pop(self, most: int = 1, *, up_to: float = math.inf) -> list[tuple[str, float]]:
        """Take out the first members, at most so many, with scores up to and including `up_to`."""
        popped: list[tuple[str, float]] = []
        while len(popped) < most and (first := self.first()) is not None and first[1] <= up_to:
            heapq.heappop(self._heap)
            del self._scores[first[0]]
            popped.append(first)
        return popped

    def page(self, most: int, offset: int = 0, *, up_to: float = math.inf) -> list[str]:
        """The members of a page, in order; sorts them all."""
        ordered = sorted((score, member) for member, score in self._scores.items() if score <= up_to)
        return [member for _, member in ordered[offset : offset + most]]

    def items(self) -> dict[str, float]:
        """Every member's score."""
        return dict(self._scores)
