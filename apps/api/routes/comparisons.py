"""/api/v1/comparisons: two to five variants of one order, side by side."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from apps.api.answers import answer as answers
from apps.api.answers.comparison import ComparedJobs, Comparison
from apps.api.attempting import attempts_due
from apps.api.body import read_object
from apps.api.lists.paging import page, read_page
from apps.api.lists.queries import PageQuery
from apps.api.orders.comparing import NewComparison, ordered_variants
from apps.api.orders.order import ANY_ORDER
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import route
from apps.api.validation import validated
from apps.api.views.job import job_json
from libs.admission.rate import RefusedRate
from libs.comparisons.admit import ComparisonAdmission, admit_comparison
from libs.comparisons.comparison import Comparison as StoredComparison
from libs.comparisons.comparison import list_comparisons, load_comparison
from libs.errors import Refusal
from libs.jobs.job import Job
from libs.jobs.lifecycle import cancel
from libs.jobs.view import stamp

__all__ = ["ROUTES"]

_PATH = "/api/v1/comparisons"
_OK, _ACCEPTED = 200, 202


async def submit(request: Request) -> Response:
    """Submit a comparison: 202 with the jobs of all variants, which are let in together or not at all."""
    if not request.api.settings.jobs_enabled:
        raise Refusal("feature_disabled", "Jobs are switched off (JOBS_ENABLED)")
    body = await read_object(request)
    admission = await _admit(request, body, validated(NewComparison, body))
    found = await load_comparison(request.home, request.caller.user_id, admission.comparison_id)
    headers = {"Location": f"{_PATH}/{found.id}"}
    if admission.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Json(await _side_by_side(request, found), _ACCEPTED, headers)


async def _admit(request: Request, body: dict[str, Any], wanted: NewComparison) -> ComparisonAdmission:
    variants, orders = await ordered_variants(request, _PATH, body, wanted)
    resources = request.resources
    try:
        with attempts_due(request) as due:
            orders[0] = replace(orders[0], tried=due.before)
            admission = await admit_comparison(
                request.home, request.caller, variants, orders, resources.queue_rule, request.api.rate_rule
            )
            due.counted = not admission.replayed
    except RefusedRate as refusal:
        request.show(refusal.rates)
        raise
    request.show(admission.rates)
    if admission.replayed:
        resources.metrics.replays.inc()
    else:
        resources.metrics.admissions.labels(wanted.kind).inc(len(variants))
    return admission


async def show_all(request: Request) -> Response:
    """A page of the caller's comparisons, newest first, with the ids of their jobs."""
    wish = read_page(request)
    found = await list_comparisons(request.home, request.caller.user_id, limit=wish.limit, before=wish.after or None)
    return page(request, [_view(one) for one in found.comparisons], found.before)


async def show(request: Request) -> Response:
    """One comparison, its variants side by side."""
    return Json(await _side_by_side(request, await _load(request)))


async def cancel_all(request: Request) -> Response:
    """Cancel what has not ended of it: 200 when nothing runs any more, 202 while something is being stopped."""
    found, user_id = await _load(request), request.caller.user_id
    outcomes = await asyncio.gather(*[cancel(request.home, user_id, one.job_id) for one in found.variants])
    if set(outcomes) <= {"finished", "not_found"}:  # a job that is not found is in the archive, and so finished
        raise Refusal("job_already_finished", "All jobs of the comparison have finished already")
    return Json(await _side_by_side(request, found), _ACCEPTED if "requested" in outcomes else _OK)


async def _load(request: Request) -> StoredComparison:
    return await load_comparison(request.home, request.caller.user_id, request.path_params["id"])


async def _side_by_side(request: Request, found: StoredComparison) -> dict[str, Any]:
    """The comparison with its jobs as they are now; one that is past its retention is null."""
    records = request.resources.records
    jobs = await asyncio.gather(*[records.find_job(found.user_id, one.job_id) for one in found.variants])
    view = _view(found)
    for variant, job in zip(view["variants"], jobs, strict=True):
        variant["job"] = None if job is None else job_json(request.resources, job)
    return {**view, "status": _status(jobs)}


def _status(jobs: list[Job | None]) -> str:
    """Running until the last job has ended."""
    if any(job is not None and not job.finished for job in jobs):
        return "running"
    return "canceled" if any(job is not None and job.status == "canceled" for job in jobs) else "finished"


def _view(found: StoredComparison) -> dict[str, Any]:
    path = f"{_PATH}/{found.id}"
    return {
        "id": found.id,
        "kind": found.kind,
        "variants": [{"name": one.name, "input": one.changes, "job_id": one.job_id} for one in found.variants],
        "created_at": stamp(found.created_at_ms),
        "links": {"self": path, "cancel": f"{path}/cancel"},
    }


ROUTES = (
    route(
        "POST",
        _PATH,
        submit,
        scope="jobs:write",
        bucket="submits",
        takes=ANY_ORDER,
        body=NewComparison,
        answers={202: ComparedJobs},
    ),
    route(
        "GET",
        _PATH,
        show_all,
        scope="jobs:read",
        bucket="reads",
        query=PageQuery,
        answers={200: answers.Page[Comparison]},
    ),
    route("GET", _PATH + "/{id}", show, scope="jobs:read", bucket="reads", answers={200: ComparedJobs}),
    route(
        "POST",
        _PATH + "/{id}/cancel",
        cancel_all,
        scope="jobs:write",
        bucket="reads",
        answers={200: ComparedJobs, 202: ComparedJobs},
        refuses=["job_already_finished"],
    ),
)
