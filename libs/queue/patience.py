"""Endings are committed through an outage of Redis: they are fenced and idempotent, so they may be sent again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from libs.errors import Unavailable

__all__ = ["through_outages"]

T = TypeVar("T")

_PAUSE_S_MIN, _PAUSE_S_MAX = 0.05, 1.0


async def through_outages(send: Callable[[], Awaitable[T]]) -> T:
    """Send until it is answered, however long Redis is away. `send` must be idempotent."""
    pause_s = _PAUSE_S_MIN
    while True:
        try:
            return await send()
        except Unavailable:
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(_PAUSE_S_MAX, pause_s * 2)
