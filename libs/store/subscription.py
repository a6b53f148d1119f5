"""Listening to channels."""

from __future__ import annotations

import asyncio
from typing import Any

from libs.errors import Unavailable
from libs.store.connection import Connection

__all__ = ["UNREAD_MAX", "Subscription"]

#: How many messages may lie unread; a reader who falls further behind loses the subscription.
UNREAD_MAX = 10_000


class Listener(Connection):
    """A connection on which messages arrive between the replies.

    While it listens it pings: a server that hangs would otherwise look like one that has nothing to say.
    """

    def __init__(self, *, timeout_s: float, ping_s: float) -> None:
        """Made by the event loop; see `Store.subscription`."""
        super().__init__(timeout_s=timeout_s)
        self.messages: asyncio.Queue[tuple[bytes, bytes] | None] = asyncio.Queue()
        self._ping_s = ping_s
        self._pinging: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        super().connection_made(transport)
        self._pinging = self._loop.call_later(self._ping_s, self._ping)

    def drop(self, why: str) -> None:
        """Give the connection up, and tell the reader."""
        if self._pinging is not None:
            self._pinging.cancel()
        if self.lost is None:
            self.messages.put_nowait(None)
        super().drop(why)

    def _take(self, reply: Any) -> None:
        if not (isinstance(reply, list) and reply[:1] == [b"message"]):
            super()._take(reply)
        elif self.messages.qsize() >= UNREAD_MAX:
            self.drop("messages were read too slowly")
        else:
            self.messages.put_nowait((reply[1], reply[2]))

    def _ping(self) -> None:
        # Nobody awaits the answer; without one, the connection's own watch gives it up.
        self.issue(("PING",)).add_done_callback(lambda pong: pong.cancelled() or pong.exception())
        self._pinging = self._loop.call_later(self._ping_s, self._ping)


class Subscription:
    """Got from `Store.subscription()`: `async for channel, message in subscription`, both bytes, by one reader.

    What arrived before the connection was lost is still read; then it raises Unavailable.
    """

    def __init__(self, listener: Listener) -> None:
        """Read what a listener hears."""
        self._listener = listener

    async def subscribe(self, *channels: str | bytes) -> None:
        """Listen to these too, from when this returns. Raises Unavailable or ReplyError."""
        await self._each("SUBSCRIBE", channels)

    async def unsubscribe(self, *channels: str | bytes) -> None:
        """Listen to these no more; messages that have arrived are still read. Raises Unavailable or ReplyError."""
        await self._each("UNSUBSCRIBE", channels)

    async def _each(self, command: str, channels: tuple[str | bytes, ...]) -> None:
        """One command a channel, since there is one reply a channel."""
        await asyncio.gather(*[self._listener.issue((command, channel)) for channel in channels])

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> tuple[bytes, bytes]:
        if self._listener.lost is None or not self._listener.messages.empty():
            message = await self._listener.messages.get()
            if message is not None:
                return message
        raise Unavailable("redis", self._listener.lost or "")
