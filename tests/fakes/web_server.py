"""A small web server whose every byte is a test's: it answers as told, badly where it is told to, and counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

__all__ = ["Answer", "Asked", "WebServer", "answer", "cut", "drip", "hang", "raw", "web_server"]

#: What a TLS connection begins with: a handshake record (RFC 8446, 5.1). It is not spoken here.
_TLS = b"\x16"


@dataclass(frozen=True)
class Asked:
    """One request; the names of its headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


#: Writes an answer, or does not.
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    """A whole answer; underscores in a header's name are dashes."""

    async def write(writer: asyncio.StreamWriter) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{name}: {value}" for name, value in ({"Content-Length": str(len(body))} | named).items()]
        writer.write("\r\n".join([f"HTTP/1.1 {status} Told", *lines, "", ""]).encode("latin-1") + body)
        await writer.drain()

    return write


def raw(text: bytes) -> Answer:
    """These bytes, HTTP or not."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()

    return write


def cut(body: bytes = b"half") -> Answer:
    """An answer that ends before it is over."""

    async def write(writer: asyncio.StreamWriter) -> None:
        await answer(200, body, Content_Length=str(len(body) + 100))(writer)
        writer.close()

    return write


def hang() -> Answer:
    """Nothing at all, until whoever asked goes away."""

    async def write(_writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    return write


def drip(pause_s: float = 0.02) -> Answer:
    """A byte now and then, for ever."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 Told\r\nContent-Length: 1000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(pause_s)

    return write


@dataclass
class WebServer:
    """Listens on loopback. `tell` decides the answer; `connections` counts whoever came, `asked` what they asked."""

    tell: Callable[[Asked], Answer] = field(default=lambda _asked: answer(404))
    port: int = 0
    #: Whether it takes connections and then neither reads nor writes.
    silent: bool = False
    connections: int = 0
    first_bytes: list[bytes] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            if self.silent:
                await asyncio.Event().wait()
            while request := await self._read(reader):
                self.asked.append(request)
                await self.tell(request)(writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Asked | None:
        head = await reader.read(65_536)
        self.first_bytes.append(head)
        while head[:1] != _TLS and b"\r\n\r\n" not in head and (more := await reader.read(65_536)):
            head += more
        if b"\r\n\r\n" not in head:
            return None
        text, _, body = head.partition(b"\r\n\r\n")
        line, *lines = text.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
        body += await reader.readexactly(int(headers.get("content-length", "0")) - len(body))
        method, path, _ = line.split(" ", 2)
        return Asked(method, path, headers, body)


@asynccontextmanager
async def web_server(tell: Callable[[Asked], Answer] | None = None) -> AsyncIterator[WebServer]:
    """A server until the end of the block; whoever still waits for an answer then is cut off."""
    fake = WebServer(tell) if tell else WebServer()
    serving: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(fake.serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
