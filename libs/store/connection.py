"""A connection that pipelines by itself.

What coroutines issue in the same turn of the event loop leaves in one write, and is answered in order. There is
nothing per command but its future: no lock, no timer, no task. docs/decisions/0002 has the figures.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias, cast

import hiredis

from libs.errors import Unavailable
from libs.store.replies import FAILED_OVER, ReplyError, verdict

__all__ = ["WAITING_MAX", "WRITE_BUFFER_BYTES_MAX", "Connection", "Word"]

#: One word of a command; text is sent as UTF-8.
Word: TypeAlias = str | bytes | int | float

#: How many commands of one connection may wait for their replies; further ones are refused with Unavailable.
WAITING_MAX = 20_000

#: How much may lie unsent; until half of it has left, further commands are refused with Unavailable.
WRITE_BUFFER_BYTES_MAX = 32 * 1024 * 1024

#: How finely time is told: a command is given up between one and 1 + 2/16 timeouts after it was issued.
_TICKS = 16

_NO_MORE = object()
_pack = cast("Callable[[tuple[Word, ...]], bytes]", hiredis.pack_command)


def _unheard(connection: Connection) -> None:
    """Nobody wants to know that a connection was lost."""


class Connection(asyncio.Protocol):
    """One connection to Redis, in RESP2; replies are bytes, int, None or lists of these.

    `timeout_s` is how long a command may wait for its reply; None is for blocking commands, whose caller watches.
    `on_lost` is called once, with the connection, unless it was closed on purpose.
    """

    def __init__(
        self,
        *,
        timeout_s: float | None = None,
        on_lost: Callable[[Connection], None] = _unheard,
    ) -> None:
        """Made by the event loop; see `dial`."""
        self.lost: str | None = None
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(replyError=ReplyError, notEnoughData=_NO_MORE)
        self._transport: asyncio.Transport | None = None
        self._on_lost = on_lost
        self._shut: str | None = None
        self._unsent: list[bytes] = []
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._answered = 0
        self._timeout_s = timeout_s
        self._watch: asyncio.TimerHandle | None = None
        self._marks: deque[int] = deque(maxlen=_TICKS)

    def issue(self, words: tuple[Word, ...]) -> asyncio.Future[Any]:
        """The future reply to a command, which leaves at the end of this turn of the event loop.

        The future may be canceled: the command is carried out all the same and its reply is dropped.
        It fails with Unavailable (the outcome is unknown if the command had left) or ReplyError.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._shut is not None or len(self._waiting) >= WAITING_MAX:
            future.set_exception(Unavailable("redis", self._shut or "too many commands wait for redis"))
            return future
        packed = _pack(words)
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(packed)
        self._waiting.append(future)
        return future

    def drop(self, why: str) -> None:
        """Give the connection up: everything that waits fails with Unavailable."""
        if self.lost is not None:
            return
        self.lost = self._shut = why
        if self._transport is not None:
            self._transport.abort()
        if self._watch is not None:
            self._watch.cancel()
        self._unsent.clear()
        for future in self._waiting:
            if not future.done():
                future.set_exception(Unavailable("redis", why))
        self._waiting.clear()
        self._on_lost(self)

    def close(self) -> None:
        """Drop it on purpose: nobody is told of a loss."""
        self._on_lost = _unheard
        self.drop("the connection to redis was closed")

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES_MAX, low=WRITE_BUFFER_BYTES_MAX // 2)

    def data_received(self, data: bytes) -> None:
        """Answer the oldest waiters with the replies that are complete."""
        waited = len(self._waiting)
        gets = self._reader.gets
        try:
            self._reader.feed(data)
            while (reply := gets()) is not _NO_MORE:
                self._take(reply)
        except hiredis.ProtocolError as error:
            self.drop(f"redis answered garbage: {error}")
        self._answered += waited - len(self._waiting)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side is gone."""
        self.drop(f"the connection to redis broke: {exc or 'closed by the server'}")

    def pause_writing(self) -> None:
        """More lies unsent than may."""
        self._shut = self._shut or "redis reads too slowly"

    def resume_writing(self) -> None:
        """Enough has left."""
        self._shut = self.lost

    def _flush(self) -> None:
        if self._transport is None or self.lost is not None:
            return
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()
        if self._watch is None and self._timeout_s is not None:
            self._watch = self._loop.call_later(self._timeout_s / _TICKS, self._tick, self._timeout_s)

    def _take(self, reply: Any) -> None:
        """Hand one reply to the command that has waited longest."""
        if not self._waiting:
            # The only honest cause is a server that turns us away before we spoke.
            self.drop(f"redis spoke unasked: {str(reply)[:200]}")
            return
        future = self._waiting.popleft()
        if future.done():
            return
        if reply.__class__ is not ReplyError:
            future.set_result(reply)
            return
        future.set_exception(verdict(reply))
        if reply.code in FAILED_OVER:
            self.drop(f"redis failed over: {reply}")

    def _tick(self, timeout_s: float) -> None:
        """Look whether everything that waited `_TICKS` ticks ago has been answered since.

        Counting ticks, not reading the clock: a stall of our own loop is not held against Redis.
        """
        self._watch = None
        if not self._waiting:
            self._marks.clear()
            return
        if len(self._marks) == _TICKS and self._answered < self._marks[0]:
            self.drop(f"redis did not answer within {timeout_s:g} s")
            return
        self._marks.append(self._answered + len(self._waiting))
        self._watch = self._loop.call_later(timeout_s / _TICKS, self._tick, timeout_s)
