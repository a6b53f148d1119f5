"""Redis and the object store as fault runs treat them: killed, stopped, started again, cut off."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from libs.embedded.part import Part, wait_until_answering
from libs.embedded.process import Child
from tests.servers import RedisServer, S3Server, redis_server, s3_server

__all__ = ["Breakable", "Link", "breakable_objects", "breakable_redis", "link"]


@dataclass
class Breakable:
    """A server that may be killed and started again where it was."""

    part: Part
    child: Child

    def kill(self) -> None:
        """kill -9: what was written is written, what was in memory is gone."""
        os.kill(self.child.pid, signal.SIGKILL)
        self.child.kill()

    def end(self) -> None:
        """Kill whatever lives now."""
        self.child.kill()

    def restore(self) -> None:
        """Whatever was done to it: it runs."""
        if self.child.running:
            self.thaw()
        else:
            self.start()

    def start(self) -> None:
        self.child = self.part.spawn()
        wait_until_answering(self.part, self.child)

    def freeze(self) -> None:
        os.kill(self.child.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.child.pid, signal.SIGCONT)


@contextmanager
def breakable_redis(
    folder: Path, program: Path | None = None, /, **options: str
) -> Iterator[tuple[RedisServer, Breakable]]:
    """A Redis of its own; also how to break it."""
    with redis_server(folder, program, **options) as server:
        breakable = Breakable(server.part, server.child)
        try:
            yield server, breakable
        finally:
            breakable.child.kill()


@contextmanager
def breakable_objects(folder: Path) -> Iterator[tuple[S3Server, Breakable]]:
    """An object store of its own; also how to break it."""
    with s3_server(folder) as server:
        breakable = Breakable(server.part, server.child)
        try:
            yield server, breakable
        finally:
            breakable.child.kill()


class Link:
    """A wire to a port, to be cut: what is connected hears nothing more, what connects is turned away.

    What comes back over it may be made to take `delay_s`.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.delay_s = 0.0
        self._target = target
        self._cut = False
        self._ends: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        self._cut = True
        for end in self._ends:
            end.transport.abort()

    def mend(self) -> None:
        self._cut = False

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        try:
            if not self._cut:
                there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
                self._ends.add(there_writer)
                await asyncio.gather(_carry(reader, there_writer), self._carry_back(there_reader, writer))
                self._ends.discard(there_writer)
        finally:
            writer.transport.abort()
            self._ends.discard(writer)

    async def _carry_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Deliver in order, each piece as late as it is told, and none held up by the one before."""
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        now = asyncio.get_running_loop().time
        delivering = asyncio.create_task(_deliver(line, writer))
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                line.put_nowait((now() + self.delay_s, data))
        line.put_nowait((now(), b""))
        await delivering


async def _deliver(line: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    now = asyncio.get_running_loop().time
    with contextlib.suppress(OSError):
        while not writer.is_closing():
            due, data = await line.get()
            if due > now():
                await asyncio.sleep(due - now())
            if not data:
                break
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@asynccontextmanager
async def link(target: int) -> AsyncIterator[Link]:
    """A wire from a free port to that one."""
    wire = Link(target)
    server = await asyncio.start_server(wire.connected, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        wire.cut()
        server.close()
        await asyncio.sleep(0)
