"""Plans, for admins."""

from __future__ import annotations

from starlette.responses import Response

from apps.api.answers import admin as admin_answers
from apps.api.answers import answer as answers
from apps.api.body import read_object
from apps.api.lists.paging import page, read_page
from apps.api.lists.queries import PageQuery
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import FORM, route
from apps.api.validation import validated
from libs.access.plan import Limits
from libs.access.plan_numbers import PLAN_NAME, AllNumbers, numbers_of
from libs.access.plans import list_plans, put_plan
from libs.accounts.reshare import reshare_plan
from libs.errors import Refusal

__all__ = ["ROUTES"]


async def list_page(request: Request) -> Response:
    """Every plan as it holds now, by name."""
    wish, resources = read_page(request), request.resources
    plans = await list_plans(resources.cells.shared, resources.plans)
    behind = [(name, limits) for name, limits in plans.items() if name > wish.after]
    shown = behind[: wish.limit]
    return page(
        request, [_view(name, limits) for name, limits in shown], shown[-1][0] if len(behind) > len(shown) else None
    )


async def put(request: Request) -> Response:
    """200 with the plan, changed or made anew; it counts for the next request, and for jobs that wait already."""
    name = request.path_params["name"].lower()
    if not PLAN_NAME.fullmatch(name):
        raise Refusal("not_found", "No plan can have that name")
    wanted = validated(AllNumbers, await read_object(request)).limits()
    resources = request.resources
    await put_plan(resources.cells.shared, resources.plans, name, wanted, request.actor)
    await reshare_plan(resources.cells.shared, resources.plans, name)
    return Json(_view(name, wanted))


def _view(name: str, limits: Limits) -> dict[str, str | int | None]:
    return {"name": name, **numbers_of(limits)}


ROUTES = [
    route(
        "GET",
        "/admin/plans",
        list_page,
        scope="admin",
        bucket="reads",
        query=PageQuery,
        answers={200: answers.Page[admin_answers.Plan]},
    ),
    route(
        "PUT",
        "/admin/plans/{name}",
        put,
        scope="admin",
        bucket="reads",
        takes=FORM,
        body=AllNumbers,
        answers={200: admin_answers.Plan},
    ),
]
