"""HTTP byte by byte: what no client library would send, and what comes back."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from apps.api.main import build
from apps.api.server.server import MetricsServer
from apps.api.state import ApiState
from libs.access.api_key import SCOPES
from libs.access.api_keys import create_api_key
from libs.access.users import create_user
from libs.ids import new_id
from libs.store.client import Store
from libs.store.keyspace import Keyspace
from tests.fakes.api import PEPPER, Api
from tests.patience import PATIENCE_S
from tests.servers import RedisServer

__all__ = ["Answer", "Listening", "Wire", "answers_in", "connect", "flood", "listening", "stored_key", "talk"]


@dataclass(frozen=True)
class Answer:
    """One answer of several on a connection."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["code"])


def answers_in(told: bytes) -> list[Answer]:
    """All that came back; an answer without a length ends where the connection does."""
    found = []
    while told:
        head, _, rest = told.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        status = int(first.split(" ")[1])
        size = int(headers.get("content-length", 0 if status < 200 else len(rest)))
        found.append(Answer(status, headers, rest[:size]))
        told = rest[size:]
    return found


def connect(address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, timeout=PATIENCE_S)


def talk(address: tuple[str, int], *pieces: bytes) -> list[Answer]:
    """Send these bytes, read until the other side closes."""
    with connect(address) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return answers_in(b"".join(iter(lambda: connection.recv(65_536), b"")))


def flood(address: tuple[str, int], head: bytes, piece: bytes, bytes_max: int) -> tuple[int, list[Answer]]:
    """Repeat a piece behind a head until the other side cuts it or so much is sent: how much was, and what it said."""
    sent, told = 0, b""
    with connect(address) as connection:
        connection.sendall(head)
        with suppress(ConnectionError):
            while sent < bytes_max:
                connection.sendall(piece)
                sent += len(piece)
        with suppress(ConnectionError):
            told = b"".join(iter(lambda: connection.recv(65_536), b""))
    return sent, answers_in(told)


def stored_key(redis: RedisServer, *, networks: Sequence[str] = ()) -> bytes:
    """The secret of a user who may do everything, made beside a process that serves."""

    async def make() -> str:
        store = await Store.open(redis.url, Keyspace.with_prefix("arqade"))
        try:
            user = await create_user(store, f"{new_id('usr')}@example.com", "internal")

            _, secret = await create_api_key(
                store, PEPPER.encode(), user_id=user.id, name="wire", scopes=SCOPES, lives_s=3_600, networks=networks
            )
            return secret
        finally:
            await store.close()

    return asyncio.run(make()).encode()


class Wire:
    """One connection to a server of this process."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *pieces: bytes) -> None:
        """Each in a read of its own, as far as that can be told from here."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0.01)

    async def until(self, text: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readuntil(text)

    async def rest(self) -> bytes:
        """Everything until the other side closes."""
        told = b""
        async with asyncio.timeout(PATIENCE_S):
            with suppress(ConnectionError):
                while piece := await self.reader.read(65_536):
                    told += piece
        return told

    async def answers(self) -> list[Answer]:
        return answers_in(await self.rest())


@dataclass(frozen=True)
class Listening:
    """A server of this process, as a process starts it."""

    state: ApiState
    server: MetricsServer
    port: int

    @asynccontextmanager
    async def wire(self) -> AsyncIterator[Wire]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**24)
        try:
            yield Wire(reader, writer)
        finally:
            writer.close()

    async def answers(self, *pieces: bytes) -> list[Answer]:
        """Send these bytes, read until the other side closes."""
        async with self.wire() as wire:
            await wire.send(*pieces)
            return await wire.answers()

    @property
    def connections(self) -> list[Any]:
        """uvicorn's protocols."""
        return list(self.server.server_state.connections)


@asynccontextmanager
async def listening(api: Api) -> AsyncIterator[Listening]:
    """Serve an application, without a process's signals."""
    state = ApiState(api.resources)
    server = MetricsServer(build(api.resources, state), state, 0)
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(PATIENCE_S):
        while not server.started:
            await asyncio.sleep(0.005)
    try:
        yield Listening(state, server, server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = server.force_exit = True
        await task
