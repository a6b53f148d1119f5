"""An object store that lies: what real ones do under load, in a fault, or behind a broken proxy."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

__all__ = ["Answer", "LyingStore", "Request", "answer", "error", "lying_store"]

Answer = Callable[["Request"], bytes]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return hashlib.md5(self.body, usedforsecurity=False).hexdigest()


@dataclass
class LyingStore:
    """Where it listens, what it says to whom, and what it was asked."""

    endpoint: str
    say: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


def answer(status: str, body: bytes = b"", *, length: int | None = None, **headers: str) -> bytes:
    """A response; `length` is what its Content-Length claims."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def error(status: str, code: str, content_type: str = "application/xml") -> bytes:
    """An error as S3 tells it."""
    return answer(status, f"<Error><Code>{code}</Code></Error>".encode(), Content_Type=content_type, Retry_After="3600")


@asynccontextmanager
async def lying_store() -> AsyncIterator[LyingStore]:
    """A store that hangs at every request to which it says nothing."""
    store = LyingStore("")
    writers: list[asyncio.StreamWriter] = []
    serving: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        serving.add(asyncio.create_task(serve(reader, writer)))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                request = await _read(reader)
                store.asked.append(request.method)
                said = store.say.get(request.method, _nothing)(request)
                if not said:
                    await reader.read()  # until the client has had enough
                    break
                writer.write(said)
                await writer.drain()
                if b"\r\nConnection: close" in said:
                    break
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    store.endpoint = f"{host}:{port}"
    try:
        yield store
    finally:
        server.close()
        for _ in range(5):  # one that is being accepted now still becomes a connection
            await asyncio.sleep(0)
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*serving, *(writer.wait_closed() for writer in writers), return_exceptions=True)


def _nothing(_request: Request) -> bytes:
    return b""


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    method, path, _ = head.split(" ", 2)
    lines = [line.split(": ", 1) for line in head.split("\r\n")[1:] if line]
    headers = {name.lower(): value for name, value in lines}
    return Request(method, path, await reader.readexactly(int(headers.get("content-length", 0))), headers)
