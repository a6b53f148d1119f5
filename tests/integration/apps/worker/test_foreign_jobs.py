"""Whoever speaks to Redis with stock ARQ is served too."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from arq.connections import ArqRedis
from arq.jobs import Job as ArqJob

from libs.queue.pool import open_pool
from tests.fakes.backends import settings_of
from tests.patience import PATIENCE_S
from tests.system import System


@pytest.fixture
async def pool(system: System) -> AsyncIterator[ArqRedis]:
    opened = await open_pool(settings_of(system)["REDIS_URL"])
    yield opened
    await opened.aclose()


async def test_a_stock_ping_is_answered(pool: ArqRedis) -> None:
    ping = await pool.enqueue_job("ping")
    assert isinstance(ping, ArqJob)
    assert await ping.result(timeout=PATIENCE_S, poll_delay=0.02) == "pong"


async def test_nobody_submits_past_the_api(pool: ArqRedis) -> None:
    past = await pool.enqueue_job("generate", {"prompt": "a lighthouse"})
    assert isinstance(past, ArqJob)
    with pytest.raises(RuntimeError, match="through the API"):
        await past.result(timeout=PATIENCE_S, poll_delay=0.02)
