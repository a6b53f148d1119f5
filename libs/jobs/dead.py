"""The dead: jobs given up because every worker that ran them was lost.

A foreign job (ARQ's own `enqueue_job`) has no record while it lives, and gets one of ours when it dies: as the user
`foreign`, with the function as its kind and ARQ's id in its metadata.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson

from libs.audit.act import COMMAND_LINE, Actor
from libs.errors import Refusal
from libs.ids import is_id
from libs.jobs.job import Job
from libs.jobs.lookup import Finder, finder_in
from libs.jobs.scripts import END_DEAD, REVIVE
from libs.store.client import Store

__all__ = ["Dead", "end_dead", "foreign_record", "is_foreign", "list_dead", "load_dead", "revive"]

_FOREIGN, _ARQ_ID = "foreign", "arq_job_id"


@dataclass(frozen=True, slots=True)
class Dead:
    """A dead job, and when it was given up (ms)."""

    job: Job
    died_at_ms: int


async def list_dead(store: Store, *, limit: int, after: str = "", find: Finder | None = None) -> list[Dead]:
    """At most `limit` dead jobs, the latest first, from behind the job `after`.

    Those whose record is past its retention leave the list; a page may be short and have more behind it, never empty.
    """
    found: list[Dead] = []
    rank = await store.call("ZREVRANK", store.keys.dead, after) if after else -1
    while rank is not None and len(found) < limit:
        entries = await store.call("ZREVRANGE", store.keys.dead, rank + 1, rank + limit - len(found), "WITHSCORES")
        if not entries:
            break
        ids = [job_id.decode() for job_id in entries[::2]]
        jobs = await _find_each(store, find, ids)
        gone = [job_id for job_id, job in zip(ids, jobs, strict=True) if job is None]
        if gone:
            await asyncio.gather(
                store.call("ZREM", store.keys.dead, *gone), store.call("HDEL", store.keys.dead_owners, *gone)
            )
        rank += len(ids) - len(gone)
        times = [int(float(score)) for score in entries[1::2]]
        found += [Dead(job, at_ms) for job, at_ms in zip(jobs, times, strict=True) if job is not None]
    return found


async def _find_each(store: Store, find: Finder | None, ids: Sequence[str]) -> list[Job | None]:
    find = find or finder_in(store)
    owners = await store.call("HMGET", store.keys.dead_owners, *ids)
    return await asyncio.gather(
        *[find(job_id, owner and owner.decode()) for job_id, owner in zip(ids, owners, strict=True)]
    )


async def load_dead(store: Store, job_id: str, find: Finder | None = None) -> Job:
    """The dead job of that id; refuses `not_found`, also for a job that lives."""
    listed = await store.call("ZSCORE", store.keys.dead, job_id) if is_id(job_id, "job") else None
    job = (await _find_each(store, find, [job_id]))[0] if listed is not None else None
    if job is None:
        raise Refusal("not_found", "There is no such job among the dead")
    return job


async def end_dead(store: Store, job_id: str, new_job_id: str, by: Actor = COMMAND_LINE) -> None:
    """Take a job off the list: it was submitted again as another."""
    await store.run(END_DEAD, (), (job_id, new_job_id, *by.words))


def foreign_record(arq_job_id: str, function: str, error: bytes) -> tuple[str | bytes, ...]:
    """What the script cannot know of a dead foreign job: members of its record, name and value by turns."""
    return ("kind", function, "metadata", orjson.dumps({_ARQ_ID: arq_job_id}), "error", error)


def is_foreign(dead: Job) -> bool:
    """Whether it came around our admission."""
    return dead.user_id == _FOREIGN


async def revive(store: Store, dead: Job, by: Actor = COMMAND_LINE) -> Job:
    """Put a foreign job back as it was enqueued, under ARQ's id; refuses `conflict` when such a job is there again."""
    outcome = await store.run(REVIVE, (), (dead.id, dead.metadata[_ARQ_ID], *by.words))
    if outcome == b"conflict":
        raise Refusal("conflict", "A job of that id is in the queue again")
    if outcome == b"not_found":
        raise Refusal("not_found", "There is no such job among the dead")
    return replace(dead, status="queued", error=None, finished_at_ms=None)
