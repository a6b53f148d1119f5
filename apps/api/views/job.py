"""Answers that show a job: its JSON with fresh URLs, its place in the queue, and headers a poller can use."""

from __future__ import annotations

import time
from typing import Any

from starlette.responses import Response

from apps.api.conditional import is_known
from apps.api.request import Request
from apps.api.responses import Json
from apps.resources import Resources
from libs.jobs.job import Job
from libs.jobs.lookup import Place, place_of
from libs.jobs.view import job_view, signed_url

__all__ = ["answer_job", "job_json"]

_PRIVATE = {"Cache-Control": "private, no-cache"}
_POLL_S_MIN, _POLL_S_MAX = 1, 30
_NOT_MODIFIED = 304


def job_json(resources: Resources, job: Job, place: Place | None = None) -> dict[str, Any]:
    """The job as its user sees it."""
    starts_at_ms = None
    if place is not None and place.starts_in_s is not None:
        starts_at_ms = _now_ms() + place.starts_in_s * 1000
    return job_view(
        job,
        lambda job, artifact: signed_url(resources.objects, job, artifact),
        queue_position=None if place is None else place.position,
        estimated_start_at_ms=starts_at_ms,
    )


async def answer_job(request: Request, job: Job) -> Response:
    """The job with its `ETag`; 304 when the caller has it as it is, and its URLs still live for a while."""
    etag = _etag(job)
    headers = {**_PRIVATE, "ETag": etag}
    if is_known(request.headers.getlist("if-none-match"), etag):
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    place = await place_of(request.home, job) if job.status == "queued" else None
    if not job.finished:
        headers["Retry-After"] = str(_poll_s(job, place))
    return Json(job_json(request.resources, job, place), headers=headers)


def _etag(job: Job) -> str:
    """Weak: it changes with the job, and twice in the life of a URL."""
    half_life_ms = max(1, job.artifact_url_ttl_s * 500)
    age = _now_ms() // half_life_ms if job.artifacts else 0
    return f'W/"{job.version:x}-{job.status}-{age:x}"'


def _poll_s(job: Job, place: Place | None) -> int:
    """When it is worth asking again: soon while it runs, by the queue's pace while it waits."""
    if place is None or place.starts_in_s is None:
        return _POLL_S_MIN
    return int(min(_POLL_S_MAX, max(_POLL_S_MIN, place.starts_in_s)))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
