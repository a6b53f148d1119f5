"""/api/v1/jobs: submit, list, look, cancel."""

from __future__ import annotations

from starlette.responses import Response

from apps.api.answers import answer as answers
from apps.api.body import read_object
from apps.api.lists.job_filter import wanted_jobs
from apps.api.lists.paging import page, read_page
from apps.api.lists.queries import JobQuery
from apps.api.orders.order import ANY_ORDER, BODIES, Envelope, order_of
from apps.api.orders.submission import answer_submitted, submit
from apps.api.orders.waiting import preferred_wait_s
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import route
from apps.api.views.job import answer_job, job_json
from libs.errors import Refusal
from libs.jobs.job import Job
from libs.jobs.lifecycle import cancel
from libs.webhooks.hook import read_hook

__all__ = ["ROUTES"]

_PATH = "/api/v1/jobs"
_CREATED, _ACCEPTED, _OK = 201, 202, 200


async def submit_job(request: Request) -> Response:
    """Submit a job: 202 at once, or with `Prefer: wait=n` 201 when it ends in time."""
    body = await read_object(request)
    envelope, at = order_of(body)
    wait_s = preferred_wait_s(request.headers.getlist("prefer"))
    submitted = await submit(request, _PATH, body, envelope, at)
    del body, envelope  # it may be megabytes, and a minute
    return await answer_submitted(
        request, submitted, wait_s or 0, finished_status=_CREATED, preferred=wait_s is not None
    )


async def show_jobs(request: Request) -> Response:
    """A page of the caller's jobs, newest first."""
    wish = read_page(request)
    found = await request.resources.records.list_jobs(
        request.caller.user_id, wanted_jobs(request), limit=wish.limit, before=wish.after or None
    )
    return page(request, [job_json(request.resources, job) for job in found.jobs], found.before)


async def show_job(request: Request) -> Response:
    """One job, whatever became of it."""
    return await answer_job(request, await _load(request))


async def cancel_job(request: Request) -> Response:
    """Cancel a job: 200 when it is canceled, 202 while a running one is being stopped."""
    outcome = await cancel(request.home, request.caller.user_id, request.path_params["id"])
    job = await _load(request)
    if outcome == "not_found":  # it is in the archive, or else it was not loaded
        outcome = "canceled" if job.status == "canceled" else "finished"
    if outcome == "finished":
        raise Refusal("job_already_finished", f"The job has {job.status} already", members={"job_status": job.status})
    return Json(job_json(request.resources, job), _OK if outcome == "canceled" else _ACCEPTED)


async def retry_job(request: Request) -> Response:
    """A new job with input and webhook of a finished one, linked to it by `retry_of`; limits are as for any job."""
    old = await _load(request)
    if not old.finished:
        raise Refusal("conflict", f"The job is {old.status}: only a finished one can be retried")
    body = {"kind": old.kind, "input": old.input}
    envelope = Envelope(kind=old.kind, input=old.input, fairness_key=old.fairness_key, metadata=old.metadata)
    hook = read_hook(old.webhook, old.webhook_to)
    submitted = await submit(request, f"{_PATH}/{old.id}/retry", body, envelope, ("input",), retry_of=old.id, hook=hook)
    return await answer_submitted(request, submitted, 0, finished_status=_CREATED, preferred=False)


async def _load(request: Request) -> Job:
    return await request.resources.records.load_job(request.caller.user_id, request.path_params["id"])


_CANCELED = {200: answers.Job, 202: answers.Job}
_ENDED = ("job_already_finished",)

ROUTES = (
    route(
        "POST",
        _PATH,
        submit_job,
        scope="jobs:write",
        bucket="submits",
        takes=ANY_ORDER,
        body=BODIES,
        answers={202: answers.Job, 201: answers.Job},
    ),
    route(
        "GET",
        _PATH,
        show_jobs,
        scope="jobs:read",
        bucket="reads",
        query=JobQuery,
        answers={200: answers.Page[answers.Job]},
    ),
    route("GET", _PATH + "/{id}", show_job, scope="jobs:read", bucket="reads", answers={200: answers.Job, 304: ()}),
    route("DELETE", _PATH + "/{id}", cancel_job, scope="jobs:write", bucket="reads", answers=_CANCELED, refuses=_ENDED),
    route(
        "POST",
        _PATH + "/{id}/retry",
        retry_job,
        scope="jobs:write",
        bucket="submits",
        answers={202: answers.Job},
        refuses=["conflict"],
    ),
    route(
        "POST",
        _PATH + "/{id}/cancel",
        cancel_job,
        scope="jobs:write",
        bucket="reads",
        answers=_CANCELED,
        refuses=_ENDED,
    ),
)
