"""Connections whose other side takes nothing: cut, since what was written to them stands in our memory.

A timeout around a write cannot see to it. Where the write was given up, and even where the connection was closed, the
transport goes on waiting for the other side to take what is left; only an abort ends that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import Protocol

from libs import limits

__all__ = ["Stuck"]

_LOOKS = 10

_log = logging.getLogger(__name__)


class Connection(Protocol):
    """What uvicorn keeps of each."""

    transport: asyncio.Transport


class Stuck:
    """Watches the connections of a server."""

    def __init__(self, connections: Collection[Connection]) -> None:
        """`connections` is the server's own set, which it goes on changing."""
        self._connections = connections
        self._seen: dict[Connection, tuple[int, float]] = {}

    async def watch(self) -> None:
        """Cut who takes nothing for SLOW_READER_S, for ever."""
        while True:
            await asyncio.sleep(limits.SLOW_READER_S / _LOOKS)
            self.look(asyncio.get_running_loop().time())

    def look(self, now_s: float) -> None:
        """Whoever took something since the last look has all their time again."""
        stuck: dict[Connection, tuple[int, float]] = {}
        for connection in list(self._connections):
            waiting = connection.transport.get_write_buffer_size()
            if waiting == 0 and not connection.transport.is_closing():
                continue
            before, since_s = self._seen.get(connection, (waiting + 1, now_s))
            if waiting < before:
                since_s = now_s
            if now_s - since_s < limits.SLOW_READER_S:
                stuck[connection] = waiting, since_s
                continue
            _log.info("cut a connection that took nothing for %g s", now_s - since_s)
            connection.transport.abort()
        self._seen = stuck
