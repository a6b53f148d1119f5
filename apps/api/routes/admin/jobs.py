"""All users' jobs, and the dead ones among them, for admins."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from apps.api.answers.admin import DeadJob, RunningJob
from apps.api.answers.answer import Page
from apps.api.lists.job_filter import wanted_jobs
from apps.api.lists.paging import page, read_page
from apps.api.lists.queries import AllJobsQuery, PageQuery
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import route
from apps.api.views.admin import dead_view, running_job_view
from libs.access.users import load_user
from libs.admission.replay import replay_dead
from libs.archive.logs import admissions, read_backwards
from libs.jobs.dead import list_dead
from libs.jobs.recent import list_recent

__all__ = ["ROUTES"]


async def list_page(request: Request) -> Response:
    """Jobs, newest first: the newest 100,000 of all users, or all of `?user_id=`; by status and kind if wished."""
    wish, wanted, cells = read_page(request), wanted_jobs(request), request.resources.cells
    user_id, records = request.query_params.get("user_id"), request.resources.records
    if user_id is None:
        older = partial(read_backwards, request.resources.objects, admissions(cells.shared.keys))
        found = await list_recent(
            cells.shared, wanted, limit=wish.limit, before=wish.after, find=records.find_outline, older=older
        )
    else:
        await load_user(cells.shared, user_id)
        found = await records.list_jobs(user_id, wanted, limit=wish.limit, before=wish.after or None, outline=True)
    return page(request, [running_job_view(job) for job in found.jobs], found.before)


async def list_dead_page(request: Request) -> Response:
    """Jobs given up because every worker that ran them was lost, the latest first."""
    wish = read_page(request)
    resources = request.resources
    find = resources.records.find_outline
    found = await list_dead(resources.cells.shared, limit=wish.limit + 1, after=wish.after, find=find)
    more = len(found) > wish.limit
    found = found[: wish.limit]
    return page(request, [dead_view(one) for one in found], found[-1].job.id if more else None)


async def replay(request: Request) -> Response:
    """202 with a new job of the same user and input; the dead one leaves its list."""
    resources = request.resources
    store, job_id = resources.cells.shared, request.path_params["id"]
    job = await replay_dead(
        store, resources.plans, resources.queue_rule, job_id, request.actor, find=resources.records.find_any_job
    )
    return Json(running_job_view(job), 202)


ROUTES = [
    route(
        "GET",
        "/admin/jobs",
        list_page,
        scope="admin",
        bucket="reads",
        query=AllJobsQuery,
        answers={200: Page[RunningJob]},
        refuses=["not_found"],
    ),
    route(
        "GET",
        "/admin/dead",
        list_dead_page,
        scope="admin",
        bucket="reads",
        query=PageQuery,
        answers={200: Page[DeadJob]},
    ),
    route(
        "POST",
        "/admin/dead/{id}/replay",
        replay,
        scope="admin",
        bucket="reads",
        answers={202: RunningJob},
        refuses=["conflict", "queue_full", "draining"],
    ),
]
