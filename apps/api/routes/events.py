"""GET /api/v1/jobs/{id}/events: follow a job. POST /api/v1/stream-tokens: let a browser do it."""

from __future__ import annotations

from contextlib import AsyncExitStack

from starlette.responses import Response

from apps.api.answers.answer import StreamToken
from apps.api.body import read_object
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import FORM, route
from apps.api.streams.event_stream import EventStream
from apps.api.streams.following import follow, read_event_id
from apps.api.streams.tokens import TOKEN_S, create_stream_token
from apps.api.validation import validated
from libs.strict import Strict

__all__ = ["ROUTES"]

_CREATED, _NO_CONTENT = 201, 204


class StreamTokenRequest(Strict):
    """Which job the token is for."""

    job_id: str


async def follow_job(request: Request) -> Response:
    """The job's events: the present state first, then everything as it happens, `done` (or, vanished, `gone`) last.

    `Last-Event-ID` resumes behind an event; who has seen `done` gets 204, which ends a browser's reconnects.
    """
    caller = request.caller
    job = await request.resources.records.load_job(caller.user_id, request.path_params["id"])
    last_id = read_event_id(request.headers.get("last-event-id"))
    if job.finished and last_id is not None and last_id == job.last_event:
        return Response(status_code=_NO_CONTENT)
    api, held = request.api, AsyncExitStack()
    await held.enter_async_context(api.streams.entered(caller.api_key_id))
    return EventStream(follow(api, caller, job.id, last_id), api.endings(caller), held)


async def create_token(request: Request) -> Response:
    """A token that opens one job's events for a minute: a browser's EventSource and WebSocket send no headers."""
    wanted = validated(StreamTokenRequest, await read_object(request))
    job = await request.resources.records.load_job(request.caller.user_id, wanted.job_id)
    token = await create_stream_token(request.resources.cells.shared, request.caller, job.id)
    return Json({"token": token, "job_id": job.id, "expires_in": TOKEN_S}, _CREATED)


ROUTES = (
    route(
        "GET",
        "/api/v1/jobs/{id}/events",
        follow_job,
        scope="jobs:read",
        bucket="reads",
        answers={200: "text/event-stream", 204: ()},
    ),
    route(
        "POST",
        "/api/v1/stream-tokens",
        create_token,
        scope="jobs:read",
        bucket="reads",
        takes=FORM,
        body=StreamTokenRequest,
        answers={201: StreamToken},
        refuses=["not_found"],
    ),
)
