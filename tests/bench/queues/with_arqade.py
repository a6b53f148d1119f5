"""Arqade: FairWorker and the Runner with a no-op kind; every job through `admit`, for eight users of two weights.

Fairness, fences, events and quota are on: each user has a daily quota that is held and settled, and a slot cap.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from arq.worker import func

from apps.worker.run import Runner
from libs.artifacts.objects import Objects
from libs.backends.backends import Backends
from libs.backends.comfyui import ComfyUI
from libs.backends.ocr import OcrEngine
from libs.kinds.kind import Attempt, Input, Kind, Output
from libs.metrics import Metrics
from libs.queue.pool import open_pool
from libs.queue.worker import FairWorker
from libs.store.client import Store
from libs.store.keyspace import Keyspace
from tests.bench.contestant import REDIS_URL, Submit, main
from tests.bench.witness import Witness
from tests.fakes.callers import make_caller, submit
from tests.fakes.library import FakeLibrary

KEYS = Keyspace.with_prefix("arqade")
_SLOTS = 50
_USERS = 8


class Nothing(Input):
    """The input of a no-op."""

    n: int


def noop() -> Kind[Nothing]:
    """A kind whose handler does no more than be seen, and sleep where `BENCH_SLEEP_S` says so."""
    witness, sleep_s = Witness(), float(os.environ.get("BENCH_SLEEP_S", "0"))

    async def run(_wanted: Nothing, _attempt: Attempt) -> Output:
        witness.see()
        if sleep_s:
            await asyncio.sleep(sleep_s)
        return Output()

    return Kind(name="noop", queue="cpu", input=Nothing, run=run)


async def run_worker(kind: Kind[Nothing], slots: int) -> None:
    """What `arqade worker` is, with one kind and no signals."""
    store = await Store.open(REDIS_URL, KEYS)
    objects = Objects("127.0.0.1:9", "none", "none", "none", "none", use_ssl=False)
    runner = Runner(
        store, objects, Backends(ComfyUI(None, 1), OcrEngine(1)), {kind.name: kind}, Metrics(), FakeLibrary()
    )

    async def ping(ctx: dict[Any, Any], *_args: Any, **_kwargs: Any) -> str:
        return "pong"

    await FairWorker(
        [func(ping, name="ping")],
        store=store,
        pool=await open_pool(REDIS_URL),
        run=runner.run_job,
        queues=["cpu"],
        slots=slots,
    ).main()


@asynccontextmanager
async def submitter() -> AsyncIterator[Submit]:
    """Users take turns."""
    store = await Store.open(REDIS_URL, KEYS)
    callers = itertools.cycle(
        [
            make_caller(user_id=f"usr_{i}", units_per_day=10_000_000, slots=20, weight=4 if i % 2 else 1)
            for i in range(_USERS)
        ]
    )
    yield lambda: submit(store, next(callers))
    await store.close()


if __name__ == "__main__":
    main(lambda: uvloop.run(run_worker(noop(), int(os.environ.get("BENCH_SLOTS", _SLOTS)))), submitter)
