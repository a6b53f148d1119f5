"""A connection of one's own, for commands that block."""

from __future__ import annotations

import asyncio
from typing import Any

from libs.errors import Unavailable
from libs.store.connection import Connection, Word

__all__ = ["Dedicated"]


class Dedicated:
    """Got from `Store.dedicated()`; one call at a time, since Redis answers the next one after the blocked one.

    When it is lost, every call raises Unavailable: its user leaves the block and opens another.
    """

    def __init__(self, connection: Connection) -> None:
        """Take a connection that has no time limit of its own."""
        self._connection = connection

    async def call(self, *words: Word, timeout_s: float) -> Any:
        """The reply to one command, for which `timeout_s` is longer than it may block.

        Raises Unavailable or ReplyError. A call that is canceled keeps the connection blocked until Redis answers,
        and what it would have popped is lost.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._connection.issue(words)
        except TimeoutError:
            self._connection.drop(f"redis did not answer within {timeout_s:g} s")
            raise Unavailable("redis", self._connection.lost or "") from None
