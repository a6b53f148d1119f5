"""Waiting for what happens elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from libs.errors import Unavailable
from libs.store.client import Store
from libs.store.connection import Word
from tests.patience import PATIENCE_S


async def until(condition: Callable[[], Awaitable[bool]], *, within_s: float = PATIENCE_S) -> None:
    """Ask until the answer is yes; raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)


async def succeeds(store: Store, *words: Word) -> bool:
    """Whether Redis is there for a call."""
    with suppress(Unavailable):
        await store.call(*words)
        return True
    return False
