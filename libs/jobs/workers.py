"""The workers that were heard of lately, as they describe themselves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from libs.store.client import Store

__all__ = ["WORKERS_MAX", "Worker", "list_workers"]

#: Workers that are listed at most.
WORKERS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process: `running` of its `slots` are taken; a draining one is not `accepting`."""

    id: str
    host: str
    pid: int
    queues: tuple[str, ...]
    slots: int
    running: int
    accepting: bool
    seen_at_s: int


async def list_workers(store: Store, *, limit: int, after: str = "") -> list[Worker]:
    """At most `limit` workers, the longest at work first, from behind the worker `after`."""
    ids = sorted(word.decode() for word in await store.call("ZRANGE", store.keys.workers, 0, WORKERS_MAX - 1))
    behind = [worker_id for worker_id in ids if worker_id > after][:limit]
    records = await asyncio.gather(*[store.call("HGETALL", store.keys.worker + worker_id) for worker_id in behind])
    return [_read(worker_id, record) for worker_id, record in zip(behind, records, strict=True)]


def _read(worker_id: str, record: list[bytes]) -> Worker:
    """A worker from its record, which may have lapsed a moment ago."""
    said = dict(zip(record[::2], record[1::2], strict=True))
    return Worker(
        id=worker_id,
        host=said.get(b"host", b"").decode(),
        pid=int(said.get(b"pid", 0)),
        queues=tuple(name for name in said.get(b"queues", b"").decode().split(",") if name),
        slots=int(said.get(b"slots", 0)),
        running=int(said.get(b"running", 0)),
        accepting=said.get(b"accepting") == b"1",
        seen_at_s=int(said.get(b"seen", 0)),
    )
