"""API5:2023 Broken function level authorization.

Proven elsewhere: the checked-in matrix of routes and callers (apps/api/test_access_matrix.py); a table that declares no
scope does not start (unit/apps/api/test_routing.py). Here: each scope opens its own routes and no others, from the
table itself, and no spelling of a path or method goes around it.
"""

from __future__ import annotations

import pytest

from apps.api.routes import ROUTES
from apps.api.routing import ANY_KEY, PUBLIC, Route
from libs.access.api_key import SCOPES
from tests.fakes.api import Api, bearer
from tests.fakes.problems import refused

SCOPED = [route for route in ROUTES if route.scope not in (PUBLIC, ANY_KEY)]
ADMIN = [route for route in ROUTES if route.path.startswith("/admin")]


def test_everything_below_admin_is_for_admins() -> None:
    assert {route.scope for route in ADMIN} == {"admin"}
    assert not [route.path for route in ROUTES if route.scope == "admin" and route not in ADMIN]


@pytest.mark.parametrize("route", SCOPED, ids=lambda route: f"{route.method} {route.path}")
async def test_all_scopes_but_the_one_are_not_enough(api: Api, route: Route) -> None:
    headers = bearer(await api.key("internal", SCOPES - {"admin", route.scope}))
    for path in (route.path, *route.aliases):
        for spelled in (path, path + "/"):
            answer = await api.http.request(route.method, spelled, json={}, headers=headers)
            refused(answer, 403, "insufficient_scope")
            assert f'scope="{route.scope}"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "path", ["/Admin/users", "//admin/users", "/admin//users", "/api/v1/../../admin/users", "/%61dmin/users"]
)
async def test_no_spelling_of_a_path_leads_around_the_scope(api: Api, path: str) -> None:
    answer = await api.http.get(path, headers=bearer(await api.key("internal")))
    assert answer.status_code in (403, 404)


async def test_no_header_turns_one_method_into_another(api: Api) -> None:
    headers = bearer(await api.key("internal", frozenset({"jobs:read"})))
    for name in ("x-http-method-override", "x-http-method", "x-method-override"):
        answer = await api.http.get("/api/v1/jobs/job_1", headers=headers | {name: "DELETE"})
        refused(answer, 404, "not_found")
        answer = await api.http.post("/api/v1/jobs", json={}, headers=headers | {name: "GET"})
        refused(answer, 403, "insufficient_scope")
