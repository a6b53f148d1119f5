"""POST /api/v1/<kind>: one job of that kind, waiting up to a minute for its end."""

from __future__ import annotations

from starlette.responses import Response

from apps.api.answers import Job
from apps.api.body import read_object
from apps.api.order import Envelope
from apps.api.request import Request
from apps.api.routing import Endpoint, route
from apps.api.submission import answer_submitted, submit
from apps.api.waiting import WAIT_S_MAX, preferred_wait_s
from libs.kinds import KINDS

__all__ = ["ROUTES"]

_OK = 200


def _path(kind: str) -> str:
    return f"/api/v1/{kind}"


def _run(kind: str) -> Endpoint:
    async def run_kind(request: Request) -> Response:
        """200 with the finished job, 202 when it takes longer; the body is the input itself."""
        body = await read_object(request)
        wait_s = preferred_wait_s(request.headers.getlist("prefer"))
        submitted = await submit(request, _path(kind), body, Envelope(kind=kind, input=body), ())
        return await answer_submitted(
            request,
            submitted,
            WAIT_S_MAX if wait_s is None else wait_s,
            finished_status=_OK,
            preferred=wait_s is not None,
        )

    return run_kind


ROUTES = tuple(
    route(
        "POST",
        _path(name),
        _run(name),
        scope="jobs:write",
        bucket="submits",
        body=kind.input,
        answers={200: Job, 202: Job},
    )
    for name, kind in KINDS.items()
)
