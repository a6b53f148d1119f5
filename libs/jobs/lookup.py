"""Finding jobs again: one by id, a page of a user's, a job's place in its queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from libs import limits
from libs.errors import Refusal, Unavailable
from libs.jobs.job import Job
from libs.jobs.reading import Head, find_job_of_anybody, find_outline, in_runs, look_over
from libs.jobs.record_bytes import recount
from libs.store.client import Store

__all__ = [
    "ALL",
    "Finder",
    "Page",
    "Place",
    "Wanted",
    "find_any_job",
    "find_job",
    "finder_in",
    "list_jobs",
    "load_job",
    "newest_first",
    "page_of",
    "place_of",
]

_SCAN_MAX = 1_000
#: Records of a user who is counted anew by the way; those who have more are by `arqade reconcile`.
_RECOUNTED_MAX = 2_000
_READY_END = 1e12
_HELD = 8e15

#: Finds any user's job by its id, and by its user's where it may be archived. Without one, only Redis is asked.
Finder = Callable[[str, str | None], Awaitable[Job | None]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of a user's jobs a page shows."""

    status: str | None = None
    kind: str | None = None
    created_after_ms: int | None = None

    def fits(self, job: Job | Head) -> bool:
        """Whether the job is one of them."""
        return (
            (self.status is None or job.status == self.status)
            and (self.kind is None or job.kind == self.kind)
            and (self.created_after_ms is None or job.created_at_ms > self.created_after_ms)
        )


#: Every one of them.
ALL = Wanted()


@dataclass(frozen=True, slots=True)
class Page:
    """Jobs, newest first; `before` is the id to go on from when there are more."""

    jobs: tuple[Job, ...]
    before: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a queued job stands: 0 is next. `starts_in_s` is a guess from how fast the queue drains now."""

    position: int
    starts_in_s: float | None


async def find_job(store: Store, user_id: str, job_id: str) -> Job | None:
    """The user's job of that id, or None; somebody else's job is none."""
    job = await find_any_job(store, job_id)
    return job if job is not None and job.user_id == user_id else None


async def find_any_job(store: Store, job_id: str) -> Job | None:
    """The job of that id, or None, whoever's it is: for admins and for the house itself."""
    return await find_job_of_anybody(store, job_id)


def finder_in(store: Store) -> Finder:
    """Finds what Redis holds."""

    async def find(job_id: str, _user_id: str | None) -> Job | None:
        return await find_any_job(store, job_id)

    return find


async def load_job(store: Store, user_id: str, job_id: str) -> Job:
    """The user's job of that id, or Refusal `not_found`: the same for no job and for somebody else's."""
    job = await find_job(store, user_id, job_id)
    if job is None:
        raise Refusal("not_found", "There is no such job")
    return job


async def list_jobs(store: Store, user_id: str, wanted: Wanted, *, limit: int, before: str | None = None) -> Page:
    """A page of a user's jobs that Redis holds, newest first (`libs.archive.records` has all). See `page_of`."""
    return await page_of(newest_first(store, user_id, before, limit + 1, wanted), wanted, limit)


async def page_of(
    jobs: AsyncGenerator[tuple[str, Job | None]],
    wanted: Wanted,
    limit: int,
    *,
    enough: Callable[[], bool] = lambda: False,
) -> Page:
    """The wanted ones among the first of these, each with its place in the list.

    At most 1,000 jobs are looked at for one page, fewer when that is `enough`, when those found have PAGE_BYTES_MAX
    together, or where the archive is away: a page may be short, even empty, and still have a `before` to go on from.
    Raises Unavailable when nothing could be looked at.
    """
    found: list[Job] = []
    seen, page_bytes, position, listed = 0, 0, None, None
    try:
        async with aclosing(jobs):
            async for place, job in jobs:
                if job is not None and wanted.fits(job):
                    if len(found) == limit or page_bytes >= limits.PAGE_BYTES_MAX:
                        return Page(tuple(found), listed)
                    found.append(job)
                    page_bytes += job.stored_bytes
                    listed = place
                seen, position = seen + 1, place
                if seen >= _SCAN_MAX or enough():
                    return Page(tuple(found), position)
    except Unavailable:
        if position is None:
            raise
        return Page(tuple(found), position)
    return Page(tuple(found), None)


async def newest_first(
    store: Store,
    user_id: str,
    before: str | None,
    at_once: int,
    wanted: Wanted = ALL,
    *,
    outline: bool = False,
) -> AsyncGenerator[tuple[str, Job | None]]:
    """The user's jobs that Redis lists before an id, looked over so many at a time; None where the record is gone.

    Only those that are `wanted` are read, of an `outline` nothing large; for the others there is None too. Ids sort by
    time, so a page starts behind an id.
    """
    while True:
        ids = await _ids_before(store, user_id, before, at_once)
        heads = await _heads(store, user_id, ids)
        finding = find_outline if outline else find_job_of_anybody
        for run in in_runs([replace(head, bytes=0) if outline or not wanted.fits(head) else head for head in heads]):
            jobs = await asyncio.gather(*[_found(store, head, finding, wanted) for head in run])
            for head, job in zip(run, jobs, strict=True):
                yield head.id, job
        if len(ids) < at_once:
            return
        before = ids[-1]


async def _ids_before(store: Store, user_id: str, before: str | None, count: int) -> list[str]:
    start = f"({before}" if before else "+"
    reply = await store.call("ZREVRANGEBYLEX", store.keys.jobs + user_id, start, "-", "LIMIT", 0, count)
    return [job_id.decode() for job_id in reply]


async def _heads(store: Store, user_id: str, ids: list[str]) -> list[Head]:
    """What there is of these in one round trip; those whose record is gone are forgotten."""
    heads = await look_over(store, ids)
    ours = [head for head in heads if head is not None and head.user_id == user_id]
    if gone := set(ids) - {head.id for head in ours}:
        await store.call("ZREM", store.keys.jobs + user_id, *gone)
        await recount(store, user_id, most=_RECOUNTED_MAX)  # whatever let go of them took no bytes away
    return ours


async def _found(
    store: Store, head: Head, finding: Callable[[Store, str], Awaitable[Job | None]], wanted: Wanted
) -> Job | None:
    return await finding(store, head.id) if wanted.fits(head) else None


async def place_of(store: Store, job: Job) -> Place | None:
    """Where a queued job stands in its queue, as an estimate: fair shares may let others in between."""
    if job.status != "queued":
        return None
    zset = store.keys.zset_of(job.queue)
    score, rank, ready, drain = await asyncio.gather(
        store.call("ZSCORE", zset, job.id),
        store.call("ZRANK", zset, job.id),
        store.call("ZCOUNT", zset, "-inf", f"({_READY_END:.0f}"),
        store.call("HGET", store.keys.queue + job.queue, "drain"),
    )
    if score is None:
        return None
    if float(score) < _READY_END:
        position = int(rank)
    elif float(score) >= _HELD:
        position = int(ready) + await _rank_among_own(store, job)
    else:
        return None
    drained_per_s = float(drain or 0)
    return Place(position, position / drained_per_s if drained_per_s > 0 else None)


async def _rank_among_own(store: Store, job: Job) -> int:
    lane = await store.call("HGET", store.keys.job + job.id, "lane")
    behind = f"{job.user_id}:{job.queue}:{(lane or b'-').decode()}"
    return int(await store.call("ZRANK", store.keys.lane + behind, job.id) or 0)
