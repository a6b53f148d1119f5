"""Submitting: from the body of a request to an admitted job and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from apps.api.attempting import attempts_due
from apps.api.orders.order import Envelope, apply
from apps.api.orders.waiting import wait_for_end
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.views.job import job_json
from libs.admission.admit import Admission, Application
from libs.admission.rate import RefusedRate
from libs.admission.result import admit_or_know
from libs.errors import Refusal, Unavailable
from libs.jobs.job import Job
from libs.metrics import Metrics
from libs.webhooks.hook import Hook

__all__ = ["Submitted", "answer_submitted", "submit"]

_CREATED, _ACCEPTED, _OK = 201, 202, 200


@dataclass(frozen=True, slots=True)
class Submitted:
    """The job a request made, now or before."""

    job: Job
    replayed: bool


async def submit(
    request: Request,
    route: str,
    body: Mapping[str, Any],
    envelope: Envelope,
    at: tuple[str, ...],
    *,
    retry_of: str | None = None,
    hook: Hook | None = None,
) -> Submitted:
    """Admit a job for the caller; refuses what cannot be let in. `route` scopes the idempotency key."""
    api = request.api
    if not api.settings.jobs_enabled:
        raise Refusal("feature_disabled", "Jobs are switched off (JOBS_ENABLED)")
    caller, resources = request.caller, request.resources
    try:
        with attempts_due(request) as due:
            wanted = await apply(request, route, body, envelope, at, retry_of=retry_of, hook=hook, tried=due.before)
            admission = await admit_or_know(
                request.home, resources.objects, caller, wanted, resources.queue_rule, api.rate_rule
            )
            due.counted = not admission.replayed
    except RefusedRate as refusal:
        request.show(refusal.rates)
        raise
    request.show(admission.rates)
    _count(resources.metrics, wanted, admission)
    job = admission.job or await resources.records.load_job(caller.user_id, admission.job_id)
    return Submitted(job, admission.replayed)


def _count(metrics: Metrics, wanted: Application, admission: Admission) -> None:
    if admission.replayed:
        metrics.replays.inc()
        return
    if wanted.result is not None:
        metrics.results.labels(wanted.kind, "hit" if admission.known else "miss").inc()
    if admission.known:
        metrics.jobs.labels(wanted.kind, "succeeded").inc()
    else:
        metrics.admissions.labels(wanted.kind).inc()


async def answer_submitted(
    request: Request, submitted: Submitted, wait_s: float, *, finished_status: int, preferred: bool
) -> Json:
    """202 with the job, or `finished_status` with the finished job when it ends within `wait_s`."""
    job = submitted.job
    if wait_s > 0 and not job.finished:
        with suppress(Unavailable):  # the job is in: its caller must learn its id
            job = await wait_for_end(request, job.id, wait_s)
    headers = {"Location": f"/api/v1/jobs/{job.id}"}
    if submitted.replayed:
        headers["Idempotent-Replayed"] = "true"
    if preferred:
        headers["Preference-Applied"] = f"wait={wait_s:g}" if wait_s > 0 else "respond-async"
    status = finished_status if job.finished and wait_s > 0 else _ACCEPTED
    return Json(job_json(request.resources, job), status, headers)
