"""Moving what is history from Redis to the archive: finished jobs and their users' ledgers, the logs of all.

Read, store, let go, in that order: whoever dies in between leaves records in Redis, and at worst a second segment
with the same jobs, which readers take once. Any number may do it at a time.

Jobs move in rounds of an eighth of the age (three hours for a day), so that a segment holds a round's worth and not
the few that ended since the last sweep.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from anyio import to_thread

from libs.archive.agenda import write_note
from libs.archive.erasure import erase_archive
from libs.archive.logs import admissions, archive_all_of, audit_log, ledger_of
from libs.archive.losers import drop_losers
from libs.archive.segment import SEGMENT_BYTES_MAX, SEGMENT_JOBS_MAX, Record, Segment, day_of, pack
from libs.artifacts.objects import Objects
from libs.jobs.job import Job, read_job
from libs.jobs.reading import in_runs, look_over
from libs.jobs.scripts import YIELD_JOBS
from libs.store.client import Store

__all__ = ["ROUNDS_PER_AGE", "archive_finished"]

log = logging.getLogger(__name__)

ROUNDS_PER_AGE = 8
_USERS_AT_ONCE = 8
_JOBS_OF_A_USER_MAX = 2_000
_READ_AT_ONCE = 50
_YIELDED_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class _Finished:
    """A finished job as it was read: `record` is None for one whose record is gone or cannot be understood."""

    job_id: str
    job: Job | None
    record: Record
    version: str

    @property
    def bytes(self) -> int:
        return sum(len(value) for value in self.record.values())


async def archive_finished(store: Store, objects: Objects, age_s: float) -> int:
    """One pass over the users whose jobs have waited longest; how many jobs moved. Call it again while it moves some.

    Raises Unavailable; what has moved has moved.
    """
    before_ms = await _round_before(store, age_s)
    reply = await store.call("ZRANGEBYSCORE", store.keys.archiving, "-inf", f"({before_ms}", "LIMIT", 0, _USERS_AT_ONCE)
    users = [user_id.decode() for user_id in reply]
    await archive_all_of(store, objects, audit_log(store.keys), before_ms)
    await archive_all_of(store, objects, admissions(store.keys), before_ms)
    moved = await asyncio.gather(
        *[_archive_user(store, objects, user_id, before_ms) for user_id in users], return_exceptions=True
    )
    for one in moved:
        if isinstance(one, BaseException):
            raise one
    return sum(one for one in moved if isinstance(one, int))


async def _round_before(store: Store, age_s: float) -> int:
    """The end of the last round that is wholly older than the age, in ms of Redis's clock."""
    seconds, microseconds = await store.call("TIME")
    now_ms, age_ms = int(seconds) * 1_000 + int(microseconds) // 1_000, int(age_s * 1_000)
    round_ms = max(1, age_ms // ROUNDS_PER_AGE)
    return (now_ms - age_ms) // round_ms * round_ms


async def _archive_user(store: Store, objects: Objects, user_id: str, before_ms: int) -> int:
    standing = await _standing(store, user_id)
    if standing == "erasing":
        return 0  # their jobs are being forgotten
    reply = await store.call(
        "ZRANGEBYSCORE", store.keys.finished + user_id, "-inf", f"({before_ms}", "LIMIT", 0, _JOBS_OF_A_USER_MAX
    )
    if not reply:
        await store.run(YIELD_JOBS, (), (user_id,))
    # The ledger first: of a job that the archive holds it tells the end as well.
    await archive_all_of(store, objects, ledger_of(store.keys, user_id), before_ms)
    moved = 0
    for _day, ids in groupby(sorted(job_id.decode() for job_id in reply), key=day_of):
        async for batch in _batches(store, list(ids)):
            await _store_segment(objects, user_id, batch)
            moved += await _yield(store, user_id, batch)
    if standing == "there" and await _standing(store, user_id) != "there":
        await erase_archive(objects, user_id)  # they were erased meanwhile
    return moved


async def _standing(store: Store, user_id: str) -> Literal["there", "erasing", "none"]:
    """Whether there is such a user. A deployment without keys has one without a record."""
    record, erasing = await asyncio.gather(
        store.call("EXISTS", store.keys.user + user_id), store.call("ZSCORE", store.keys.erasing, user_id)
    )
    if erasing is not None:
        return "erasing"
    return "there" if record else "none"


async def _batches(store: Store, ids: Sequence[str]) -> AsyncIterator[list[_Finished]]:
    """A segment's worth at a time."""
    batch: list[_Finished] = []
    size_bytes = 0
    for start in range(0, len(ids), _READ_AT_ONCE):
        async for one in _read_each(store, ids[start : start + _READ_AT_ONCE]):
            batch.append(one)
            size_bytes += one.bytes
            if len(batch) >= SEGMENT_JOBS_MAX or size_bytes >= SEGMENT_BYTES_MAX:
                yield batch
                batch, size_bytes = [], 0
    if batch:
        yield batch


async def _read_each(store: Store, ids: Sequence[str]) -> AsyncIterator[_Finished]:
    """These records, and of those that are gone that they are."""
    heads = await look_over(store, ids)
    for job_id, head in zip(ids, heads, strict=True):
        if head is None:
            yield _read(job_id, {})
    for run in in_runs([head for head in heads if head is not None]):
        replies = await asyncio.gather(*[store.call("HGETALL", store.keys.job + head.id) for head in run])
        for head, reply in zip(run, replies, strict=True):
            yield _read(head.id, dict(zip(reply[::2], reply[1::2], strict=True)))


def _read(job_id: str, record: Record) -> _Finished:
    try:
        job = read_job(job_id, record) if record else None
    except (KeyError, ValueError, TypeError):
        log.exception("the record of %s cannot be understood: it stays in Redis until it expires", job_id)
        job = None
    if job is None or not job.finished:
        return _Finished(job_id, None, {}, "-")
    return _Finished(job_id, job, record, str(job.version))


async def _store_segment(objects: Objects, user_id: str, batch: Sequence[_Finished]) -> None:
    """Store what the archive keeps of a batch; first its note on the agenda, so that nothing is kept for ever."""
    jobs = [one.job for one in batch if one.job is not None]
    if not jobs:
        return
    await drop_losers(objects, jobs)
    data = await to_thread.run_sync(pack, [(one.job_id, one.record) for one in batch if one.job is not None])
    kept_until_s = max(job.kept_until_ms or 0 for job in jobs) // 1_000 + 1
    segment = Segment.of(user_id, [job.id for job in jobs], kept_until_s, data)
    await write_note(objects, segment.object_name, kept_until_s)
    await objects.put(segment.object_name, data, "application/gzip")


async def _yield(store: Store, user_id: str, batch: Sequence[_Finished]) -> int:
    """Let Redis go of a batch, in pieces: a script holds up everybody."""
    moved = 0
    for start in range(0, len(batch), _YIELDED_AT_ONCE):
        some = batch[start : start + _YIELDED_AT_ONCE]
        moved += await store.run(
            YIELD_JOBS, (), (user_id, *[word for one in some for word in (one.job_id, one.version)])
        )
    return moved
