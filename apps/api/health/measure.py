"""What is measured when somebody asks for the metrics: queues, Redis, the machine. All else is counted as it comes."""

from __future__ import annotations

import asyncio
import math

from apps.api.request import Request
from libs.artifacts.storage import ALL, stored_bytes
from libs.errors import Unavailable
from libs.jobs.queues import QUEUES
from libs.metrics import Metrics
from libs.store.client import Store
from libs.store.watch import STATES

__all__ = ["measure_machine", "measure_queues", "measure_redis"]

#: ARQ's ZSET holds a queue's unfinished jobs in three bands of score: ready, timed (a lease, a retry, a start), held.
_BANDS = (("ready", "-inf", "(1e12"), ("timed", "1e12", "(8e15"), ("held", "8e15", "+inf"))


async def measure_queues(request: Request) -> None:
    """Set the depth of every queue; without Redis the numbers are dropped rather than old."""
    metrics, store = request.resources.metrics, request.resources.cells.shared
    metrics.queue_max.set(request.api.settings.max_queue_size)
    try:
        await asyncio.gather(_measure_depths(store, metrics), _measure_rescues(store, metrics))
        metrics.storage.set(await stored_bytes(store, ALL))
        metrics.oldest_finished.set(await _oldest_finished_s(store))
    except Unavailable:
        request.show(())
        metrics.queued.clear()
        metrics.rescues.clear()
        metrics.storage.set(math.nan)
        metrics.oldest_finished.set(math.nan)


async def _measure_depths(store: Store, metrics: Metrics) -> None:
    bands = [(queue, *band) for queue in QUEUES for band in _BANDS]
    counts = await asyncio.gather(
        *[store.call("ZCOUNT", store.keys.zset_of(queue), low, high) for queue, _band, low, high in bands]
    )
    for (queue, band, _low, _high), count in zip(bands, counts, strict=True):
        metrics.queued.labels(queue, band).set(count)


async def _measure_rescues(store: Store, metrics: Metrics) -> None:
    counts = await asyncio.gather(*[store.call("HGET", store.keys.queue + queue, "rescues") for queue in QUEUES])
    for queue, count in zip(QUEUES, counts, strict=True):
        metrics.rescues.labels(queue).set(int(count or 0))


async def _oldest_finished_s(store: Store) -> float:
    """How long ago the job ended that has waited longest for its move to the object store; 0 when there is none."""
    oldest, now = await asyncio.gather(
        store.call("ZRANGE", store.keys.archiving, 0, 0, "WITHSCORES"), store.call("TIME")
    )
    return max(0.0, int(now[0]) - float(oldest[1]) / 1_000) if oldest else 0.0


async def measure_redis(request: Request) -> None:
    """What the last look at the parts found and how old that is; the memory of Redis (max 0: no ceiling is set)."""
    metrics, checks = request.resources.metrics, request.api.checks
    for part, finding in (await checks.look()).items():
        metrics.looked.labels(part).set(checks.age_s(finding))
    last = request.resources.watch.last
    for state in STATES:
        metrics.redis_state.labels(state).set(last is not None and last.state == state)
    if last is None or last.state == "away":
        metrics.redis_bytes.clear()
        return
    metrics.redis_bytes.labels("used").set(last.used_bytes)
    metrics.redis_bytes.labels("max").set(last.max_bytes)


def measure_machine(request: Request) -> None:
    """How busy the machine is, where it tells."""
    load = request.api.machine.load()
    for what, share in (("cpu", load.cpu), ("memory", load.memory)):
        if share is not None:
            request.resources.metrics.host.labels(what).set(share)
