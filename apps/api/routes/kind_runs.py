"""POST /api/v1/<kind>: one job of that kind, waiting up to a minute for its end; and the former name of one."""

from __future__ import annotations

from starlette.responses import Response

from apps.api.answers.answer import Job
from apps.api.body import read_object
from apps.api.orders.order import Envelope, taken_of
from apps.api.orders.submission import answer_submitted, submit
from apps.api.orders.waiting import WAIT_S_MAX, preferred_wait_s
from apps.api.request import Request
from apps.api.routing import Endpoint, route
from libs.admission.address import take_of_address
from libs.kinds import KINDS

__all__ = ["ROUTES"]

_OK = 200
_ECOSTEPS = "/api/v1/ocr-ecosteps"
_ECOSTEPS_WINDOW_S = 60


def _path(kind: str) -> str:
    return f"/api/v1/{kind}"


async def submit_ocr(request: Request) -> Response:
    """The former name of `ocr`: 202 at once; besides the key's own limits an address may submit ten times a minute."""
    settings, rule = request.api.settings, request.api.rate_rule
    if rule is not None:
        await take_of_address(
            request.resources.cells.shared,
            request.client.host if request.client else None,
            "ecosteps",
            limit=settings.ocr_ecosteps_per_minute,
            window_s=_ECOSTEPS_WINDOW_S,
        )
    body = await read_object(request)
    wait_s = preferred_wait_s(request.headers.getlist("prefer"))
    submitted = await submit(request, _ECOSTEPS, body, Envelope(kind="ocr", input=body), ())
    del body  # it may be megabytes, and a minute
    return await answer_submitted(request, submitted, wait_s or 0, finished_status=_OK, preferred=wait_s is not None)


def _run(kind: str) -> Endpoint:
    async def run_kind(request: Request) -> Response:
        """200 with the finished job, 202 when it takes longer; the body is the input itself."""
        body = await read_object(request)
        wait_s = preferred_wait_s(request.headers.getlist("prefer"))
        submitted = await submit(request, _path(kind), body, Envelope(kind=kind, input=body), ())
        del body  # it may be megabytes, and a minute
        return await answer_submitted(
            request,
            submitted,
            WAIT_S_MAX if wait_s is None else wait_s,
            finished_status=_OK,
            preferred=wait_s is not None,
        )

    return run_kind


_RUNS = tuple(
    route(
        "POST",
        _path(name),
        _run(name),
        scope="jobs:write",
        bucket="submits",
        takes=taken_of(kind),
        body=kind.input,
        answers={200: Job, 202: Job},
    )
    for name, kind in KINDS.items()
)

ROUTES = (
    *_RUNS,
    route(
        "POST",
        _ECOSTEPS,
        submit_ocr,
        scope="jobs:write",
        bucket="submits",
        takes=taken_of(KINDS["ocr"]),
        body=KINDS["ocr"].input,
        answers={200: Job, 202: Job},
    ),
)
