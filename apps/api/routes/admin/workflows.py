"""Registering workflows, for admins."""

from __future__ import annotations

from starlette.responses import Response

from apps.api.answers.answer import Page
from apps.api.answers.workflow import Workflow, WorkflowVersion, WorkflowVersions
from apps.api.body import read_object
from apps.api.lists.paging import page, read_page
from apps.api.lists.queries import PageQuery
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import GRAPH, route
from apps.api.validation import validated
from apps.api.views.workflow import version_view, workflow_view
from libs.errors import Refusal
from libs.workflows.definition import Definition, NewWorkflow, classes_of, definition_flaws
from libs.workflows.flaw import Flaw, refusal, sorted_out
from libs.workflows.library import classes_known
from libs.workflows.registry import (
    create_workflow,
    list_versions,
    list_workflows,
    load_version,
    retire_version,
    retire_workflow,
    revise_workflow,
)

__all__ = ["ROUTES"]

_CREATED = 201
_DIGITS_MAX = 9


async def create(request: Request) -> Response:
    """201 with the first version, held against the backend's node classes as far as those are known."""
    wanted = validated(NewWorkflow, await read_object(request))
    definition, is_checked, doubts = await _checked(request, wanted)
    store = request.resources.cells.shared
    version = await create_workflow(store, wanted.name, definition, is_checked=is_checked, by=request.actor)
    return Json(version_view(version, doubts), _CREATED)


async def revise(request: Request) -> Response:
    """201 with the next version, which counts from now on for who names none; the former stay as they are."""
    store, name = request.resources.cells.shared, request.path_params["name"]
    wanted = validated(Definition, await read_object(request))
    await list_versions(store, name)
    definition, is_checked, doubts = await _checked(request, wanted)
    version = await revise_workflow(store, name, definition, is_checked=is_checked, by=request.actor)
    return Json(version_view(version, doubts), _CREATED)


async def list_page(request: Request) -> Response:
    """Every workflow, by name."""
    wish = read_page(request)
    found = await list_workflows(request.resources.cells.shared, limit=wish.limit + 1, after=wish.after)
    shown = found[: wish.limit]
    return page(request, [workflow_view(one) for one in shown], shown[-1].name if len(found) > len(shown) else None)


async def fetch(request: Request) -> Response:
    """The newest version, and the numbers of all that can be ordered."""
    store, name = request.resources.cells.shared, request.path_params["name"]
    return Json({**version_view(await load_version(store, name)), "versions": await list_versions(store, name)})


async def fetch_version(request: Request) -> Response:
    """One version, retired or not."""
    version = await load_version(request.resources.cells.shared, request.path_params["name"], _number(request))
    return Json(version_view(version))


async def remove_version(request: Request) -> Response:
    """200 with the retired version: nobody can order it any more, and what was ordered of it runs."""
    store, name = request.resources.cells.shared, request.path_params["name"]
    return Json(version_view(await retire_version(store, name, _number(request), request.actor)))


async def remove(request: Request) -> Response:
    """204: nobody can order the workflow any more, and what was ordered of it runs."""
    await retire_workflow(request.resources.cells.shared, request.path_params["name"], request.actor)
    return Response(status_code=204)


async def _checked(request: Request, wanted: Definition) -> tuple[Definition, bool, list[Flaw]]:
    """What is to be stored of it, whether the backend's nodes were known, and what may be wrong with it.

    Refuses what surely is.
    """
    classes = await classes_known(request.resources.library, classes_of(wanted.graph))
    plain = Definition.model_validate(wanted.model_dump(exclude={"name"}))
    definition, found = definition_flaws(plain, classes)
    sure, doubts = sorted_out(found)
    if sure:
        raise refusal(sure)
    return definition, classes is not None, doubts


def _number(request: Request) -> int:
    text = request.path_params["version"]
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        raise Refusal("not_found", "There is no such version of the workflow")
    return int(text)


ROUTES = [
    route(
        "POST",
        "/admin/workflows",
        create,
        scope="admin",
        bucket="reads",
        takes=GRAPH,
        body=NewWorkflow,
        answers={201: WorkflowVersion},
        refuses=["conflict"],
    ),
    route(
        "GET",
        "/admin/workflows",
        list_page,
        scope="admin",
        bucket="reads",
        query=PageQuery,
        answers={200: Page[Workflow]},
    ),
    route("GET", "/admin/workflows/{name}", fetch, scope="admin", bucket="reads", answers={200: WorkflowVersions}),
    route("DELETE", "/admin/workflows/{name}", remove, scope="admin", bucket="reads", answers={204: ()}),
    route(
        "POST",
        "/admin/workflows/{name}/versions",
        revise,
        scope="admin",
        bucket="reads",
        takes=GRAPH,
        body=Definition,
        answers={201: WorkflowVersion},
        refuses=["conflict"],
    ),
    route(
        "GET",
        "/admin/workflows/{name}/versions/{version}",
        fetch_version,
        scope="admin",
        bucket="reads",
        answers={200: WorkflowVersion},
    ),
    route(
        "DELETE",
        "/admin/workflows/{name}/versions/{version}",
        remove_version,
        scope="admin",
        bucket="reads",
        answers={200: WorkflowVersion},
        refuses=["conflict"],
    ),
]
