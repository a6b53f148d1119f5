"""Workers in this process, on a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.worker import func

from libs.queue.pool import open_pool
from libs.queue.running import Running
from libs.queue.worker import FairWorker
from libs.store.client import Store
from tests.conftest import RedisServer

Handler = Callable[[Running], Awaitable[None]]
StartWorker = Callable[..., Awaitable[FairWorker]]


@pytest.fixture
async def pool(valkey: RedisServer) -> AsyncIterator[ArqRedis]:
    opened = await open_pool(valkey.url)
    yield opened
    await opened.aclose()


@pytest.fixture
async def start_worker(store: Store, pool: ArqRedis) -> AsyncIterator[StartWorker]:
    """Start workers of the test; each is drained at its end."""
    async with AsyncExitStack() as stack:

        async def start(run: Handler, functions: tuple[Any, ...] = (), **options: Any) -> FairWorker:
            async def ping(ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> str:
                return "pong"

            worker = FairWorker(
                [func(ping, name="ping"), *functions], store=store, pool=pool, run=run, queues=["cpu"], **options
            )
            task = asyncio.create_task(worker.main())

            async def end() -> None:
                await worker.drain(0)
                await task

            stack.push_async_callback(end)
            return worker

        yield start
