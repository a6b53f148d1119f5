"""The audit log, for admins. `arqade audit verify` checks its chain."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from apps.api.answers import admin as admin_answers
from apps.api.answers import answer as answers
from apps.api.lists.paging import page, read_page
from apps.api.lists.queries import ActQuery
from apps.api.request import Request
from apps.api.routing import route
from apps.api.views.admin import act_view
from libs.archive.logs import audit_log, read_backwards
from libs.audit.log import WantedActs, list_acts

__all__ = ["ROUTES"]


async def list_page(request: Request) -> Response:
    """What admins did, newest first; by `?act=`, on whom `?on=` and by whom `?actor=` if wished."""
    wish, query = read_page(request), request.query_params
    wanted = WantedActs(act=query.get("act"), on=query.get("on"), actor=query.get("actor"))
    store = request.resources.cells.shared
    older = partial(read_backwards, request.resources.objects, audit_log(store.keys))
    found = await list_acts(store, wanted, limit=wish.limit, before=wish.after, older=older)
    return page(request, [act_view(act) for act in found.found], found.before)


ROUTES = [
    route(
        "GET",
        "/admin/audit",
        list_page,
        scope="admin",
        bucket="reads",
        query=ActQuery,
        answers={200: answers.Page[admin_answers.Act]},
    )
]
