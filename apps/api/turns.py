"""Turns: what takes long is done for one user a few at a time, however many requests of theirs wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

__all__ = ["Turns"]


@dataclass(slots=True)
class _Line:
    """Those who wait for one user's turns, and whoever has one."""

    turn: asyncio.Semaphore
    people: int = field(default=0)


class Turns:
    """Each user's own turns, in the order of asking; nobody waits for another user's."""

    def __init__(self, at_once: int = 1) -> None:
        self._at_once = at_once
        self._lines: dict[str, _Line] = {}

    def __len__(self) -> int:
        """Users who have a turn or wait for one."""
        return len(self._lines)

    @asynccontextmanager
    async def of(self, user_id: str) -> AsyncIterator[None]:
        """A block that no more than so many requests of a user are in."""
        line = self._lines.get(user_id)
        if line is None:
            line = self._lines[user_id] = _Line(asyncio.Semaphore(self._at_once))
        line.people += 1
        try:
            async with line.turn:
                yield
        finally:
            line.people -= 1
            if line.people == 0:
                del self._lines[user_id]
