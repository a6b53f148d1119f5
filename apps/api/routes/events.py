"""GET /api/v1/jobs/{id}/events: follow a job."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterator

import orjson
from starlette.responses import Response

from apps.api.event_stream import EventStream
from apps.api.job_answers import job_json
from apps.api.request import Request
from apps.api.routing import route
from libs import limits
from libs.errors import Refusal
from libs.jobs.events import Event, Following, order_of
from libs.jobs.job import Job
from libs.jobs.lookup import load_job

__all__ = ["ROUTES", "job_events"]

_NO_CONTENT = 204


async def follow_job(request: Request) -> Response:
    """The job's events: the present state first, then everything as it happens, `done` last.

    `Last-Event-ID` resumes behind an event; who has seen `done` gets 204, which ends a browser's reconnects.
    """
    job = await _load(request, request.path_params["id"])
    last_id = _last_event_id(request)
    if job.finished and last_id is not None and last_id == job.last_event:
        return Response(status_code=_NO_CONTENT)
    _refuse_too_many(request)
    return EventStream(job_events(request, job.id, last_id), request.api.draining, {})


async def job_events(request: Request, job_id: str, last_id: str | None) -> AsyncGenerator[Event, None]:
    """The events of a job for one reader, from behind `last_id` where they are still kept."""
    with _counted(request):
        async with request.resources.events.following(job_id) as following:
            async for event in _told(request, job_id, following, last_id):
                yield event


async def _told(
    request: Request, job_id: str, following: Following, last_id: str | None
) -> AsyncGenerator[Event, None]:
    after = last_id
    if after is None or not await _kept_since(following, after):
        after = await following.last_id()
        job = await _load(request, job_id)
        yield _showing("snapshot", after, request, job)
        if job.finished:
            yield _showing("done", job.last_event or after, request, job)
            return
    async for event in following.events(after):
        if event.type == "gap":
            job = await _load(request, job_id)
            yield _showing("snapshot", event.id, request, job)
            if job.finished:
                yield _showing("done", job.last_event or event.id, request, job)
                return
        elif event.type == "done":
            yield _showing("done", event.id, request, await _load(request, job_id))
        else:
            yield event


async def _kept_since(following: Following, last_id: str) -> bool:
    """Whether nothing behind that event was trimmed away."""
    first = await following.first_id()
    return first is not None and order_of(first) <= order_of(last_id)


def _showing(kind: str, event_id: str, request: Request, job: Job) -> Event:
    return Event(event_id, kind, orjson.dumps(job_json(request, job)))


async def _load(request: Request, job_id: str) -> Job:
    caller = request.caller
    return await load_job(request.resources.cells.home_of(caller.user_id), caller.user_id, job_id)


def _last_event_id(request: Request) -> str | None:
    text = request.headers.get("last-event-id")
    if text is None:
        return None
    try:
        order_of(text)
    except ValueError:
        raise Refusal("malformed_request", "Last-Event-ID is none of this stream's ids") from None
    return text


def _refuse_too_many(request: Request) -> None:
    if request.api.streams[request.caller.api_key_id] >= limits.STREAMS_PER_API_KEY_MAX:
        detail = f"At most {limits.STREAMS_PER_API_KEY_MAX} streams of one API key at once"
        raise Refusal("rate_limited", detail, retry_after_s=5, members={"violated-policies": ["streams"]})


@contextlib.contextmanager
def _counted(request: Request) -> Iterator[None]:
    """Hold one of the streams that an api key may have open in this process."""
    streams, api_key_id = request.api.streams, request.caller.api_key_id
    streams[api_key_id] += 1
    try:
        yield
    finally:
        streams[api_key_id] -= 1
        if streams[api_key_id] <= 0:
            del streams[api_key_id]


ROUTES = (route("GET", "/api/v1/jobs/{id}/events", follow_job, scope="jobs:read", bucket="reads"),)
