"""The doorbell: a worker with a free slot blocks on a list, and a token in it means that a job is ready.

One token wakes one worker. Orders to one worker (cancel, drain) come on a list of its own, heard by a listener of its
own: one listener for both would be deaf to orders while it waits for room.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from libs.errors import Unavailable
from libs.store.client import Store

__all__ = ["listen"]

log = logging.getLogger(__name__)

_BLOCK_S = 5
_PATIENCE_S = 2.0
_REOPEN_S = 0.3


async def listen(
    store: Store,
    lists: Sequence[str],
    heard: Callable[[str, str], Awaitable[None]],
    ready: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """Call `heard(list, word)` for every word pushed to these lists, for ever, through outages of Redis.

    Each word is taken by one listener only. `ready` is awaited before each wait: who has no room takes no word.
    """
    while True:
        try:
            async with store.dedicated() as connection:
                while True:
                    if ready is not None:
                        await ready()
                    reply = await connection.call("BLPOP", *lists, _BLOCK_S, timeout_s=_BLOCK_S + _PATIENCE_S)
                    if reply:
                        await heard(reply[0].decode(), reply[1].decode())
        except Unavailable as error:
            log.debug("listening: %s", error)
            await asyncio.sleep(_REOPEN_S)
