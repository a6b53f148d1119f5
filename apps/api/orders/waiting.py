"""Waiting for a job on a caller's behalf."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from apps.api.request import Request
from libs.errors import Refusal, Unavailable
from libs.jobs.job import Job
from libs.jobs.lookup import load_job

__all__ = ["WAIT_S_MAX", "preferred_wait_s", "wait_for", "wait_for_end"]

T = TypeVar("T")

WAIT_S_MAX = 60
_AGAIN_S = 0.2
_WAIT = re.compile(r"\s*wait\s*=\s*\"?(\d{1,6})\"?\s*", re.IGNORECASE)


def preferred_wait_s(headers: Sequence[str]) -> int | None:
    """The seconds of `Prefer: wait=n` (RFC 7240), at most 60; 0 for `respond-async`; None when neither is said.

    `headers` are the values of all Prefer lines. Who says both does not wait.
    """
    preferences = ",".join(headers).split(",")
    if any(preference.strip().lower() == "respond-async" for preference in preferences):
        return 0
    for preference in preferences:
        if match := _WAIT.fullmatch(preference):
            return min(WAIT_S_MAX, int(match[1]))
    return None


async def wait_for_end(request: Request, job_id: str, wait_s: float) -> Job:
    """The job once it has finished, or as it is after `wait_s`, or when this process begins to drain.

    Refuses `invalid_token` as soon as the caller's api key is good no more.
    """
    finished = await wait_for(request, _finished(request, job_id), wait_s)
    return finished or await load_job(request.home, request.caller.user_id, job_id)


async def wait_for(request: Request, ending: Coroutine[Any, Any, T], wait_s: float) -> T | None:
    """What comes of it within `wait_s`, as long as this process does not drain. Keep nothing of the body meanwhile.

    Refuses `invalid_token` as soon as the caller's api key is good no more.
    """
    request.let_go()
    finished = asyncio.create_task(ending)
    draining = asyncio.create_task(request.api.draining.wait())
    refused = asyncio.create_task(request.resources.directory.until_refused(request.caller.digest))
    try:
        await asyncio.wait({finished, draining, refused}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        if refused.done():
            raise Refusal("invalid_token")
        return finished.result() if finished.done() else None
    finally:
        for task in (finished, draining, refused):
            task.cancel()
        await asyncio.gather(finished, draining, refused, return_exceptions=True)


async def _finished(request: Request, job_id: str) -> Job:
    """The job at its end; an outage of Redis is waited out, like everything else."""
    while True:
        try:
            return await _followed(request, job_id)
        except Unavailable:
            await asyncio.sleep(_AGAIN_S)


async def _followed(request: Request, job_id: str) -> Job:
    async with request.resources.events.following(job_id) as following:
        after = await following.last_id()
        job = await load_job(request.home, request.caller.user_id, job_id)
        events = following.events(after)
        while not job.finished:
            event = await anext(events)
            if event.type in ("done", "gap"):
                job = await load_job(request.home, request.caller.user_id, job_id)
        return job
