"""The kinds of job on offer."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

from apps.api.answers import house as house_answers
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import route
from libs.errors import Refusal
from libs.kinds import KINDS
from libs.kinds.kind import Kind

__all__ = ["ROUTES"]


async def list_kinds(request: Request) -> Response:
    """Every kind, by name."""
    return Json({"data": [await _view(request, kind) for kind in KINDS.values()]})


async def fetch_kind(request: Request) -> Response:
    """One kind."""
    name = request.path_params["kind"]
    if name not in KINDS:
        raise Refusal("not_found", f"There is no kind {name}")
    return Json(await _view(request, KINDS[name]))


async def _view(request: Request, kind: Kind[Any]) -> dict[str, Any]:
    """A kind: what it takes, what it costs, and what its backend lists now (null until a worker said so)."""
    doc = ((kind.page_cost or kind.cost).__doc__ or "One unit.").strip()
    return {
        "name": kind.name,
        "summary": kind.summary,
        "queue": kind.queue,
        "cost": doc.partition("\n")[0],
        "timeout_seconds": kind.timeout_s,
        "input_schema": kind.input.model_json_schema(),
        "offers": await _offers(request, kind),
    }


async def _offers(request: Request, kind: Kind[Any]) -> Any:
    if kind.backend is None:
        return None
    store = request.resources.cells.shared
    catalogue = await store.call("GET", store.keys.catalogue + kind.backend)
    return None if catalogue is None else orjson.loads(catalogue)


ROUTES = [
    route("GET", "/api/v1/kinds", list_kinds, scope="jobs:read", bucket="reads", answers={200: house_answers.Kinds}),
    route(
        "GET",
        "/api/v1/kinds/{kind}",
        fetch_kind,
        scope="jobs:read",
        bucket="reads",
        answers={200: house_answers.KindOnOffer},
    ),
]
