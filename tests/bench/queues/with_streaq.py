"""streaq as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop
from streaq import Worker  # type: ignore[import-not-found, unused-ignore]

from tests.bench.contestant import REDIS_URL, Submit, main
from tests.bench.witness import Witness


def work() -> None:
    witness = Witness()
    worker = Worker(redis_url=REDIS_URL, handle_signals=False)

    async def noop(n: int) -> None:
        witness.see()

    worker.task(name="noop")(noop)
    uvloop.run(worker.run_async())


@asynccontextmanager
async def submitter() -> AsyncIterator[Submit]:
    worker = Worker(redis_url=REDIS_URL)

    async def noop(n: int) -> None:
        """Named here, run there."""

    task = worker.task(name="noop")(noop)

    async def submit() -> None:
        await task.enqueue(1)

    async with worker:
        yield submit


if __name__ == "__main__":
    main(work, submitter)
