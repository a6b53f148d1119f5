"""Objects that no manifest names: what attempts stored that lost their job, or failed afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from libs.artifacts.names import job_prefix
from libs.artifacts.objects import Objects
from libs.jobs.job import Job

__all__ = ["drop_losers", "may_have_losers"]

_AT_ONCE = 8
_PAGE = 1_000


def may_have_losers(job: Job) -> bool:
    """Whether anything but its manifest may lie below a finished job's name: not of one that succeeded at once."""
    return job.attempt > 0 and not (job.status == "succeeded" and job.attempt == 1 and job.crashes == 0)


async def drop_losers(objects: Objects, jobs: Sequence[Job]) -> int:
    """Remove what finished jobs left behind beside their artifacts; how many objects. Raises Unavailable."""
    suspects = [job for job in jobs if may_have_losers(job)]
    dropped = 0
    for start in range(0, len(suspects), _AT_ONCE):
        some = suspects[start : start + _AT_ONCE]
        dropped += sum(await asyncio.gather(*[_drop(objects, job) for job in some]))
    return dropped


async def _drop(objects: Objects, job: Job) -> int:
    kept = {artifact.object_name for artifact in job.artifacts}
    prefix, after, dropped = job_prefix(job.user_id, job.id, job.created_at_ms), None, 0
    while page := await objects.list(prefix, after=after, limit=_PAGE):
        losers = [facts.name for facts in page if facts.name not in kept]
        await objects.remove_each(losers)
        dropped, after = dropped + len(losers), page[-1].name
    return dropped
