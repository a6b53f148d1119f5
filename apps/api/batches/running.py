"""A batch's running number of items: held against its caller's quota and the queue while the items are read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from libs import limits
from libs.batches.admit import Room

__all__ = ["Running"]

#: So many items are read before admission is asked once more: others spend the same quota, and fill the queue.
_LOOK_AGAIN_ITEMS: Final = 1_000


class Running:
    """How many items and units of a batch were read, and how many more there is room for."""

    def __init__(self, room: Room, look: Callable[[int], Awaitable[Room]]) -> None:
        """`look` asks admission about so many units, and refuses what it would."""
        self._room = room
        self._look = look
        self._look_at = _LOOK_AGAIN_ITEMS
        self.items = 0
        self.units = 0

    @property
    def left(self) -> int:
        """Units that there is room for."""
        return limits.BATCH_ITEMS_MAX if self._room.units is None else max(0, self._room.units - self.units)

    async def add(self, items: int, units: int) -> None:
        """Count some that were read. Refuses as admission would: `quota_exceeded` at the first unit too many."""
        self.items += items
        self.units += units
        over = self._room.units is not None and self.units > self._room.units
        if over or self.items >= self._look_at:
            self._look_at = self.items + _LOOK_AGAIN_ITEMS
            self._room = await self._look(self.units)
