"""When a connection is read from, and how it is closed on somebody who is still sending."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl

__all__ = ["Flow", "Line"]


class Flow(FlowControl):
    """uvicorn's, which reads on whenever a request asks for more; not so while others wait behind it."""

    def __init__(
        self, transport: asyncio.Transport, *, held_back: Callable[[], bool], resumed: Callable[[], None]
    ) -> None:
        """`held_back` says that there is enough to do; `resumed` is called when what was read has been taken."""
        super().__init__(transport)
        self._held_back = held_back
        self._resumed = resumed

    def resume_reading(self) -> None:
        """Read on, unless there is enough to do."""
        if self.read_paused and not self._held_back():
            self._resumed()
            super().resume_reading()


class Line:
    """What a request with an unfinished body is answered on: closing it gives its sender time to read why."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close
