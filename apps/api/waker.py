"""Waking jobs many at a time: callbacks come one by one, and those of one moment share one script."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

__all__ = ["Waker"]

_GATHERED_S: Final = 0.01
_AT_ONCE: Final = 100

Wake = Callable[[Sequence[str]], Awaitable[object]]


class Waker:
    """Gathers the ids of a moment. Whoever waits for `wake` knows that its job has been called."""

    def __init__(self, wake: Wake) -> None:
        self._wake = wake
        self._ids: dict[str, None] = {}
        self._round: asyncio.Task[None] | None = None

    async def wake(self, job_id: str) -> None:
        """Have a job looked at now. Raises Unavailable."""
        self._ids[job_id] = None
        if self._round is None:
            self._round = asyncio.create_task(self._call())
        await asyncio.shield(self._round)

    async def _call(self) -> None:
        await asyncio.sleep(_GATHERED_S)
        ids, self._ids, self._round = list(self._ids), {}, None
        for first in range(0, len(ids), _AT_ONCE):
            await self._wake(ids[first : first + _AT_ONCE])
