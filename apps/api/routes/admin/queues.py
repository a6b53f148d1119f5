"""Queues and workers, for admins."""

from __future__ import annotations

from typing import get_args

from starlette.responses import Response

from apps.api.answers.admin import Queue, Queues, Worker
from apps.api.answers.answer import Page
from apps.api.lists.paging import page, read_page
from apps.api.lists.queries import PageQuery
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import Endpoint, route
from apps.api.views.admin import queue_view, worker_view
from libs.jobs.queues import QueueChange, change_queue, list_queues
from libs.jobs.workers import list_workers

__all__ = ["ROUTES"]


async def list_page(request: Request) -> Response:
    """Every queue."""
    return Json({"data": [queue_view(queue) for queue in await list_queues(request.resources.cells.shared)]})


async def list_workers_page(request: Request) -> Response:
    """Workers that were heard of within a minute, the longest at work first."""
    wish = read_page(request)
    found = await list_workers(request.resources.cells.shared, limit=wish.limit + 1, after=wish.after)
    more = len(found) > wish.limit
    found = found[: wish.limit]
    return page(request, [worker_view(worker) for worker in found], found[-1].id if more else None)


def _change(what: QueueChange) -> Endpoint:
    async def change(request: Request) -> Response:
        """200 with the queue as it is now; again changes nothing."""
        store, name = request.resources.cells.shared, request.path_params["name"]
        return Json(queue_view(await change_queue(store, name, what, request.actor)))

    return change


ROUTES = [
    route("GET", "/admin/queues", list_page, scope="admin", bucket="reads", answers={200: Queues}),
    *[
        route(
            "POST", f"/admin/queues/{{name}}/{what}", _change(what), scope="admin", bucket="reads", answers={200: Queue}
        )
        for what in get_args(QueueChange)
    ],
    route(
        "GET",
        "/admin/workers",
        list_workers_page,
        scope="admin",
        bucket="reads",
        query=PageQuery,
        answers={200: Page[Worker]},
    ),
]
