"""Breakers of several processes, and a way through their states."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from libs.backends.breaker import Breaker, Rule
from libs.errors import Unavailable
from libs.store.client import Store
from tests.patience import PATIENCE_S
from tests.servers import RedisServer, open_store

MakeBreaker = Callable[..., Awaitable[Breaker]]


@pytest.fixture
async def make(valkey: RedisServer) -> AsyncIterator[MakeBreaker]:
    """The breaker of `provider` in one more process: a store and a shadow of its own."""
    stores: list[Store] = []

    async def breaker(**changes: float) -> Breaker:
        stores.append(await open_store(valkey.url))
        return Breaker(stores[-1], "provider", Rule(**changes))  # type: ignore[arg-type]

    yield breaker
    for store in stores:
        await store.close()


async def call(breaker: Breaker, error: BaseException | None = None) -> str:
    """One call; whether it was made at all."""
    made = "refused"
    try:
        async with breaker.guard():
            made = "made"
            if error is not None:
                raise error
    except (Unavailable, TimeoutError, LookupError):
        return made
    return made


async def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        assert await call(breaker, Unavailable("provider")) == "made"


async def until_half_open(breaker: Breaker) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await breaker.look()).state != "half_open":
            await asyncio.sleep(0.01)
