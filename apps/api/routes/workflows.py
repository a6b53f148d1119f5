"""The registered workflows, for callers."""

from __future__ import annotations

from starlette.responses import Response

from apps.api.answers.answer import Page
from apps.api.answers.workflow import Workflow, WorkflowOnOffer
from apps.api.lists.paging import bad_parameter, page, read_page
from apps.api.lists.queries import PageQuery, VersionQuery
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import route
from apps.api.views.workflow import offered_view, workflow_view
from libs.errors import Refusal
from libs.workflows.registry import list_workflows, load_version

__all__ = ["ROUTES"]


async def list_page(request: Request) -> Response:
    """Every workflow that can be ordered, by name."""
    wish = read_page(request)
    found = await list_workflows(request.resources.cells.shared, limit=wish.limit + 1, after=wish.after)
    shown = found[: wish.limit]
    return page(request, [workflow_view(one) for one in shown], shown[-1].name if len(found) > len(shown) else None)


async def fetch(request: Request) -> Response:
    """What a workflow takes, in its newest version or in `?version=`."""
    number = _wanted_version(request)
    version = await load_version(request.resources.cells.shared, request.path_params["name"], number)
    if version.retired_at_ms is not None:
        raise Refusal("not_found", "This version of the workflow was retired")
    return Json(offered_view(version))


def _wanted_version(request: Request) -> int | None:
    text = request.query_params.get("version")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text[:9]) >= 1):
        raise bad_parameter("version", "A version is a number from 1", "out_of_range")
    return int(text[:9])


ROUTES = [
    route(
        "GET",
        "/api/v1/workflows",
        list_page,
        scope="jobs:read",
        bucket="reads",
        query=PageQuery,
        answers={200: Page[Workflow]},
    ),
    route(
        "GET",
        "/api/v1/workflows/{name}",
        fetch,
        scope="jobs:read",
        bucket="reads",
        query=VersionQuery,
        answers={200: WorkflowOnOffer},
    ),
]
