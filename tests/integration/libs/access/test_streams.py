"""The streams of an api key, counted over all processes."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from libs.access.streams import Streams
from libs.errors import Refusal
from libs.ids import new_id
from libs.store.client import Store
from tests.patience import PATIENCE_S

MOST = 3
LEASE_S = 0.3


@pytest.fixture
def key() -> str:
    return new_id("apikey")


async def open_many(streams: Streams, key: str, stack: AsyncExitStack, count: int = MOST) -> int:
    """How many of so many are let in."""
    let_in = 0
    for _ in range(count):
        try:
            await stack.enter_async_context(streams.entered(key))
        except Refusal:
            continue
        let_in += 1
    return let_in


async def test_two_processes_let_in_as_many_as_one(store: Store, key: str) -> None:
    processes = [Streams(store, most=MOST) for _ in range(2)]
    async with AsyncExitStack() as stack:
        opening = [open_many(process, key, stack) for process in processes]
        assert sum(await asyncio.gather(*opening)) == MOST
        assert await open_many(processes[0], new_id("apikey"), stack) == MOST, "another key has its own"
    async with AsyncExitStack() as stack:
        assert await open_many(processes[1], key, stack) == MOST, "what was closed makes room"
    assert await store.call("EXISTS", store.keys.streams + key) == 0


async def test_what_a_dead_process_held_lapses_and_what_a_living_one_renews_does_not(store: Store, key: str) -> None:
    dead, living = Streams(store, most=MOST, lease_s=LEASE_S), Streams(store, most=MOST, lease_s=LEASE_S)
    async with AsyncExitStack() as stack:
        await open_many(dead, key, stack, 1)
        await open_many(living, key, stack, MOST - 1)
        keeping = asyncio.create_task(living.keep())
        try:
            assert await open_many(living, key, stack, 1) == 0
            async with asyncio.timeout(PATIENCE_S):
                while not await open_many(living, key, stack, 1):
                    await asyncio.sleep(0.02)
            assert await open_many(living, key, stack, 2) == 0
        finally:
            keeping.cancel()
