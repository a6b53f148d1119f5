"""Reading many records: which of them, how many bytes at a time, and which of their members.

A record may have megabytes, and a hundred of them do not fit into one reply. So first the sizes are asked for, in one
round trip, and then the records are read in runs of bounded size, those alone that are wanted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from libs import limits
from libs.ids import is_id
from libs.jobs.job import Job, read_job
from libs.jobs.scripts import LOOK_OVER
from libs.store.client import Store

__all__ = ["Head", "Sized", "find_job_of_anybody", "find_outline", "in_runs", "look_over"]

#: The members that tell how a job fares: neither what was ordered nor what came of it.
_OUTLINE: Final = (
    *("user", "key", "kind", "queue", "status", "units", "priority", "created", "deadline", "run_at", "retry_of"),
    *("attempt", "failures", "crashes", "releases", "started", "finished", "cancel", "run_ms", "version", "error"),
    *("cached", "batch", "item", "retention", "url_ttl"),
)
#: Ids of one look: a script holds up everybody.
_LOOKED_AT_ONCE: Final = 250


class Sized(Protocol):
    """What has a size in bytes."""

    @property
    def bytes(self) -> int:
        """How many bytes reading it costs."""


S = TypeVar("S", bound=Sized)


@dataclass(frozen=True, slots=True)
class Head:
    """Enough of a job to know whether it is wanted, and what reading it would cost."""

    id: str
    user_id: str
    status: str
    kind: str
    created_at_ms: int
    bytes: int


async def look_over(store: Store, ids: Sequence[str]) -> list[Head | None]:
    """The heads of these jobs, None where there is no record."""
    pages = [ids[start : start + _LOOKED_AT_ONCE] for start in range(0, len(ids), _LOOKED_AT_ONCE)]
    replies = await asyncio.gather(*[store.run(LOOK_OVER, (), page) for page in pages])
    return [
        known and Head(job_id, known[0].decode(), known[1].decode(), known[2].decode(), int(known[3]), known[4])
        for page, reply in zip(pages, replies, strict=True)
        for job_id, known in zip(page, reply, strict=True)
    ]


def in_runs(sized: Sequence[S], bytes_max: int = limits.READ_BYTES_MAX) -> Iterator[Sequence[S]]:
    """Runs that have so many bytes together at most; what is larger by itself comes alone."""
    start, total = 0, 0
    for at, one in enumerate(sized):
        if at > start and total + one.bytes > bytes_max:
            yield sized[start:at]
            start, total = at, 0
        total += one.bytes
    if start < len(sized):
        yield sized[start:]


async def find_job_of_anybody(store: Store, job_id: str) -> Job | None:
    """The job of that id, whole, or None, whoever's it is."""
    if not is_id(job_id, "job"):
        return None
    record, payload = await asyncio.gather(
        store.call("HGETALL", store.keys.job + job_id), store.call("GET", store.keys.arq_job + job_id)
    )
    fields = dict(zip(record[::2], record[1::2], strict=True))
    return read_job(job_id, fields, payload) if fields else None


async def find_outline(store: Store, job_id: str) -> Job | None:
    """The same without its input, output, metadata and artifacts, which are not read."""
    if not is_id(job_id, "job"):
        return None
    values = await store.call("HMGET", store.keys.job + job_id, *_OUTLINE)
    known = {name.encode(): value for name, value in zip(_OUTLINE, values, strict=True) if value is not None}
    return read_job(job_id, known) if b"user" in known else None
