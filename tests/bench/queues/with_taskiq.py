"""taskiq on Redis streams, without a result backend: its fastest way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop
from taskiq.api import run_receiver_task  # type: ignore[import-not-found, unused-ignore]
from taskiq_redis import RedisStreamBroker  # type: ignore[import-not-found, unused-ignore]

from tests.bench.contestant import REDIS_URL, Submit, main
from tests.bench.witness import Witness


def work() -> None:
    witness = Witness()
    broker = RedisStreamBroker(REDIS_URL, consumer_id="0")

    async def noop(n: int) -> None:
        witness.see()

    broker.register_task(noop, task_name="noop")

    async def serve() -> None:
        await run_receiver_task(broker, run_startup=True)

    uvloop.run(serve())


@asynccontextmanager
async def submitter() -> AsyncIterator[Submit]:
    broker = RedisStreamBroker(REDIS_URL, consumer_id="0")

    async def noop(n: int) -> None:
        """Named here, run there."""

    task = broker.register_task(noop, task_name="noop")
    await broker.startup()
    yield lambda: task.kiq(1)
    await broker.shutdown()


if __name__ == "__main__":
    main(work, submitter)
