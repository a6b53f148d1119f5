"""A task queue under measurement, as two kinds of process: a worker, and a client that submits no-op jobs.

    python -m tests.bench.queues.with_saq work
    python -m tests.bench.queues.with_saq submit 1000         64 coroutines at once
    python -m tests.bench.queues.with_saq pick-up 300         one at a time; prints each job's ns as a JSON list

Only the standard library, and uvloop, which every contestant's environment has: all run on the same event loop.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import uvloop

from tests.bench.witness import Stand, stand

__all__ = ["REDIS_URL", "Submit", "main"]

Submit = Callable[[], Awaitable[object]]
Submitter = Callable[[], AbstractAsyncContextManager[Submit]]

REDIS_URL = os.environ.get("BENCH_REDIS_URL", "")
_COROUTINES = 64
_WARM_UP = 5
_PATIENCE_S = 10.0


def main(work: Callable[[], None], submitter: Submitter) -> None:
    """Do what the command line says."""
    match sys.argv[1:]:
        case ["work"]:
            work()
        case ["submit", count]:
            uvloop.run(_submit(submitter, int(count)))
        case ["pick-up", count]:
            with stand(Path(os.environ["BENCH_WITNESS"])) as watched:
                print(json.dumps(uvloop.run(_pick_up(submitter, int(count), watched))))
        case _:
            sys.exit(__doc__)


async def _submit(submitter: Submitter, count: int) -> None:
    left = iter(range(count))
    async with submitter() as submit:

        async def go_on() -> None:
            for _ in left:
                await submit()

        await asyncio.gather(*[go_on() for _ in range(_COROUTINES)])


async def _pick_up(submitter: Submitter, count: int, watched: Stand) -> list[int]:
    """From the moment the call is issued to the handler's first line. The first ones warm up and are not counted."""
    spans: list[int] = []
    pause_s = float(os.environ.get("BENCH_PAUSE_S", "0.01"))
    async with submitter() as submit:
        for _ in range(_WARM_UP + count):
            issued_at_ns = time.monotonic_ns()
            await submit()
            spans.append(watched.wait(_PATIENCE_S).at_ns - issued_at_ns)
            await asyncio.sleep(random.uniform(0.001, pause_s))  # in no step with anybody's poll
    return spans[_WARM_UP:]
