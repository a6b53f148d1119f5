"""The end of retention: a job's objects and its record go, and then the note that said so.

Objects first, then the record that names them, then the note: whoever dies in between has it done again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from anyio import to_thread

from libs.archive.agenda import due_notes
from libs.archive.logs import LogSegment
from libs.archive.losers import may_have_losers
from libs.archive.segment import GarbledSegmentError, Segment, lines_of, read_line
from libs.archive.shelf import read_segment
from libs.artifacts.names import job_prefix
from libs.artifacts.objects import Objects
from libs.jobs.job import Job, read_job

__all__ = ["expire_archived"]

log = logging.getLogger(__name__)

_JOBS_AT_ONCE = 8


async def expire_archived(objects: Objects, now_s: float) -> int:
    """Remove what is due, the oldest first; how many segments. Raises Unavailable, and goes on from there next time."""
    expired = 0
    async for note in due_notes(objects, now_s):
        jobs = Segment.named(note.about)
        if jobs is not None:
            await _expire_jobs(objects, jobs)
        elif LogSegment.named(note.about) is not None:
            await objects.remove(note.about)
        else:
            log.error("the note %s is about nothing of the archive's: %s", note.name, note.about)
        await objects.remove(note.name)
        expired += 1
    return expired


async def _expire_jobs(objects: Objects, segment: Segment) -> None:
    try:
        data = await read_segment(objects, segment)
        jobs = [] if data is None else await to_thread.run_sync(_jobs_in, data)
    except GarbledSegmentError:
        log.exception("nobody can tell what was in %s: its jobs' objects are left to the walk", segment.object_name)
        jobs = []
    await remove_objects_of(objects, jobs)
    await objects.remove(segment.object_name)


def _jobs_in(data: bytes) -> list[Job]:
    return [read_job(*read_line(line)) for _, line in lines_of(data)]


async def remove_objects_of(objects: Objects, jobs: Sequence[Job]) -> None:
    """Remove all that finished jobs stored: what their manifests name, or whatever lies there where more may."""
    prefixes = [(job, job_prefix(job.user_id, job.id, job.created_at_ms)) for job in jobs]
    named = [
        artifact.object_name
        for job, prefix in prefixes
        if not may_have_losers(job)
        for artifact in job.artifacts
        if artifact.object_name.startswith(prefix)
    ]
    await objects.remove_each(named)
    whole = [prefix for job, prefix in prefixes if may_have_losers(job)]
    for start in range(0, len(whole), _JOBS_AT_ONCE):
        await asyncio.gather(*[objects.remove_all(prefix) for prefix in whole[start : start + _JOBS_AT_ONCE]])
