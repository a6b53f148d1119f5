"""ARQ as it comes, or (`BENCH_ARQ=best`) at its best settings: a poll every 10 ms."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from arq.connections import RedisSettings, create_pool
from arq.worker import Worker, func

from tests.bench.contestant import REDIS_URL, Submit, main
from tests.bench.witness import Witness

_BEST: dict[str, Any] = {"poll_delay": 0.01}
_SETTINGS = _BEST if os.environ.get("BENCH_ARQ") == "best" else {}


def work() -> None:
    witness = Witness()

    async def noop(_ctx: dict[str, Any], n: int) -> None:
        witness.see()

    async def serve() -> None:
        pool = await create_pool(RedisSettings.from_dsn(REDIS_URL))
        await Worker([func(noop, name="noop")], redis_pool=pool, handle_signals=False, **_SETTINGS).main()

    uvloop.run(serve())


@asynccontextmanager
async def submitter() -> AsyncIterator[Submit]:
    pool = await create_pool(RedisSettings.from_dsn(REDIS_URL))
    yield lambda: pool.enqueue_job("noop", 1)
    await pool.aclose()


if __name__ == "__main__":
    main(work, submitter)
