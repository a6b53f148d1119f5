"""The store: Redis as the rest of Arqade sees it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from libs.errors import Unavailable
from libs.store.connection import Connection, Word
from libs.store.dedicated import Dedicated
from libs.store.dial import dial
from libs.store.keyspace import Keyspace
from libs.store.replies import ReplyError
from libs.store.script import Script
from libs.store.subscription import Listener, Subscription
from libs.store.url import Address, parse_url

__all__ = ["Store"]

#: How much of its time limit a call may wait for a connection that is being opened again; past it, calls fail at once.
_PATIENCE = 1 / 8

#: Pauses between attempts to connect grow from the first to the second, with jitter.
_PAUSE_S_MIN, _PAUSE_S_MAX = 0.02, 0.5

C = TypeVar("C", bound=Connection)

_log = logging.getLogger(__name__)


class Store:
    """One Redis, on one connection that all calls share, opened again when it was lost.

    While Redis is away calls fail fast with Unavailable. So do calls that were under way when the connection broke;
    whether they were carried out is unknown, and nothing is repeated here: scripts are written so that their
    caller may.
    """

    def __init__(self, address: Address, keys: Keyspace, *, timeout_s: float = 0.8, name: str = "arqade") -> None:
        """Connects at the first call; `open` does so at once."""
        self.keys = keys
        self.timeout_s = timeout_s
        self._address = address
        self._name = name
        self._connection: Connection | None = None
        self._attempt: asyncio.Task[None] | None = None
        self._attempt_at = 0.0
        self._next_attempt_at = 0.0
        self._failures = 0
        self._why = "not connected yet"
        self._closed = False
        self._outages = 0
        self._digests: dict[Script, str] = {}

    @classmethod
    async def open(cls, url: str, keys: Keyspace, *, timeout_s: float = 0.8, name: str = "arqade") -> Store:
        """A connected store. Raises ValueError for a URL that says nothing, Unavailable when Redis is away."""
        store = cls(parse_url(url), keys, timeout_s=timeout_s, name=name)
        await store._connect()
        if store._connection is None:
            raise Unavailable("redis", store._why)
        return store

    async def close(self) -> None:
        """Let the calls under way end, then close."""
        self._closed = True
        connection, self._connection, self._why = self._connection, None, "the store was closed"
        if self._attempt is not None:
            self._attempt.cancel()
            await asyncio.wait([self._attempt])
        if connection is not None:
            with suppress(Unavailable, ReplyError):
                await connection.issue(("PING",))  # replies come in order: when this one is here, so are all others
            connection.close()

    @property
    def outages(self) -> int:
        """How often a connection that worked was lost: a worker tells it to its next claim."""
        return self._outages

    def call(self, *words: Word) -> Awaitable[Any]:
        """The reply to one command; calls made in the same turn of the event loop share one write.

        Await it once. Raises Unavailable or ReplyError.
        """
        if self._connection is None:
            return self._call_later(words)
        return self._connection.issue(words)

    async def run(self, script: Script, keys: Sequence[str | bytes] = (), args: Sequence[Word] = ()) -> Any:
        """What a script returns; it is loaded when Redis does not know it. Raises Unavailable or ReplyError."""
        digest = self._digests.get(script) or self._learn(script)
        words = ("EVALSHA", digest, len(keys), *keys, *args)
        try:
            if self._connection is None:
                return await self._call_later(words)
            return await self._connection.issue(words)
        except ReplyError as error:
            if error.code != "NOSCRIPT":
                raise script.explain(error, self.keys) from None
        return await self._load_and_run(script, words)

    @asynccontextmanager
    async def dedicated(self) -> AsyncIterator[Dedicated]:
        """A connection of one's own, for commands that block. Raises Unavailable."""
        connection = await self._dial(Connection)
        try:
            yield Dedicated(connection)
        finally:
            connection.close()

    @asynccontextmanager
    async def subscription(self, *, ping_s: float = 5.0) -> AsyncIterator[Subscription]:
        """A connection that listens to channels; a server that hangs is noticed within `ping_s` and one timeout.

        When it is lost, the subscription raises Unavailable: its user opens another, and knows of the gap.
        """
        listener = await self._dial(lambda: Listener(timeout_s=self.timeout_s, ping_s=ping_s))
        try:
            yield Subscription(listener)
        finally:
            listener.close()

    def _learn(self, script: Script) -> str:
        digest = self._digests[script] = script.digest(self.keys)
        return digest

    async def _load_and_run(self, script: Script, words: tuple[Word, ...]) -> Any:
        """Both leave in one write; NOSCRIPT means that nothing was run, so this is the first time."""
        load = self.call("SCRIPT", "LOAD", script.body(self.keys))
        replies = await asyncio.gather(load, self.call(*words), return_exceptions=True)
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise script.explain(reply, self.keys)
            if isinstance(reply, BaseException):
                raise reply
        return replies[1]

    # The connection

    async def _call_later(self, words: tuple[Word, ...]) -> Any:
        connection = await self._reconnected()
        return await connection.issue(words)

    async def _reconnected(self) -> Connection:
        """The connection, if it is there again within a moment; one attempt serves all who ask."""
        now = asyncio.get_running_loop().time()
        if self._attempt is None and not self._closed and now >= self._next_attempt_at:
            self._attempt_at = now
            self._attempt = asyncio.create_task(self._connect())
        if self._attempt is not None and (patience_s := self._attempt_at + _PATIENCE * self.timeout_s - now) > 0:
            await asyncio.wait([self._attempt], timeout=patience_s)
        if self._connection is None:
            raise Unavailable("redis", self._why)
        return self._connection

    async def _connect(self) -> None:
        """One attempt; its outcome is in `_connection` or `_why`."""
        try:
            self._connection = await self._dial(self._new_connection)
        except Unavailable as error:
            self._why = error.detail
            self._failures += 1
            pause_s = min(_PAUSE_S_MAX, _PAUSE_S_MIN * 2 ** min(self._failures, 10))
            self._next_attempt_at = asyncio.get_running_loop().time() + random.uniform(pause_s / 2, pause_s)
        else:
            if self._outages:
                _log.info("redis is back")
            self._failures = 0
        finally:
            self._attempt = None

    def _new_connection(self) -> Connection:
        return Connection(timeout_s=self.timeout_s, on_lost=self._on_lost)

    async def _dial(self, make: Callable[[], C]) -> C:
        return await dial(self._address, make, name=self._name, timeout_s=self.timeout_s)

    def _on_lost(self, connection: Connection) -> None:
        if connection is not self._connection:
            return  # it never got as far as working
        self._connection = None
        self._outages += 1
        self._why = connection.lost or ""
        _log.warning("redis was lost: %s", self._why)
