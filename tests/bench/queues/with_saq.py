"""saq at 50 slots."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from saq import Queue, Worker  # type: ignore[import-not-found, unused-ignore]

from tests.bench.contestant import REDIS_URL, Submit, main
from tests.bench.witness import Witness


def work() -> None:
    witness = Witness()

    async def noop(_ctx: dict[str, Any], *, n: int) -> None:
        witness.see()

    async def serve() -> None:
        await Worker(Queue.from_url(REDIS_URL), functions=[("noop", noop)], concurrency=50).start()

    uvloop.run(serve())


@asynccontextmanager
async def submitter() -> AsyncIterator[Submit]:
    queue = Queue.from_url(REDIS_URL)
    await queue.connect()
    yield lambda: queue.enqueue("noop", n=1)
    await queue.disconnect()


if __name__ == "__main__":
    main(work, submitter)
