"""ARQ as it comes, or (`BENCH_ARQ=best`) at its best settings: a poll every 10 ms.

`BENCH_SLOTS` and `BENCH_SLEEP_S` are for the measurement of slot use.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from arq.connections import RedisSettings, create_pool
from arq.worker import Worker, func

from tests.bench.contestant import REDIS_URL, Submit, main
from tests.bench.witness import Witness

_SETTINGS: dict[str, Any] = {"poll_delay": 0.01} if os.environ.get("BENCH_ARQ") == "best" else {}
_SLOTS = int(os.environ.get("BENCH_SLOTS", "10"))  # its default


def work() -> None:
    witness, sleep_s = Witness(), float(os.environ.get("BENCH_SLEEP_S", "0"))

    async def noop(ctx: dict[Any, Any], *_args: Any, **_kwargs: Any) -> None:
        witness.see()
        if sleep_s:
            await asyncio.sleep(sleep_s)

    async def serve() -> None:
        pool = await create_pool(RedisSettings.from_dsn(REDIS_URL))
        functions = [func(noop, name="noop")]
        await Worker(functions, redis_pool=pool, max_jobs=_SLOTS, handle_signals=False, **_SETTINGS).main()

    uvloop.run(serve())


@asynccontextmanager
async def submitter() -> AsyncIterator[Submit]:
    pool = await create_pool(RedisSettings.from_dsn(REDIS_URL))
    yield lambda: pool.enqueue_job("noop", 1)
    await pool.aclose()


if __name__ == "__main__":
    main(work, submitter)
