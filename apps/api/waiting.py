"""Waiting for a job on a caller's behalf."""

from __future__ import annotations

import asyncio
import re

from apps.api.request import Request
from libs.jobs.job import Job
from libs.jobs.lookup import load_job

__all__ = ["WAIT_S_MAX", "preferred_wait_s", "wait_for_end"]

WAIT_S_MAX = 60
_WAIT = re.compile(r"\s*wait\s*=\s*\"?(\d{1,6})\"?\s*", re.IGNORECASE)


def preferred_wait_s(header: str | None) -> int | None:
    """The seconds of `Prefer: wait=n` (RFC 7240), at most 60; 0 for `respond-async`; None when neither is said."""
    for preference in (header or "").split(","):
        if preference.strip().lower() == "respond-async":
            return 0
        if match := _WAIT.fullmatch(preference):
            return min(WAIT_S_MAX, int(match[1]))
    return None


async def wait_for_end(request: Request, job_id: str, wait_s: float) -> Job:
    """The job once it has finished, or as it is after `wait_s`, or when this process begins to drain."""
    if wait_s > 0:
        finished = asyncio.create_task(_finished(request, job_id))
        draining = asyncio.create_task(request.api.draining.wait())
        try:
            await asyncio.wait({finished, draining}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            if finished.done():
                return finished.result()
        finally:
            for task in (finished, draining):
                task.cancel()
            await asyncio.gather(finished, draining, return_exceptions=True)
    return await load_job(request.home, request.caller.user_id, job_id)


async def _finished(request: Request, job_id: str) -> Job:
    async with request.resources.events.following(job_id) as following:
        after = await following.last_id()
        job = await load_job(request.home, request.caller.user_id, job_id)
        events = following.events(after)
        while not job.finished:
            event = await anext(events)
            if event.type in ("done", "gap"):
                job = await load_job(request.home, request.caller.user_id, job_id)
        return job
