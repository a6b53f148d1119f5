"""API9:2023 Improper inventory management.

Proven elsewhere: the page of routes is the table (contract/test_routes_docs.py), the matrix has a line for every route
(apps/api/test_access_matrix.py). Here: nothing answers that is not in the table, and a former name of a route asks for
as much as its present one.
"""

from __future__ import annotations

import pytest

from apps.api.routes import ROUTES
from tests.fakes.api import Api, bearer
from tests.fakes.problems import refused

FORMER = ("/api/v0/jobs", "/api/v2/jobs", "/api/jobs", "/v1/jobs", "/jobs", "/api/v1", "/api", "/admin", "/admin/keys")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND")


@pytest.mark.parametrize("path", FORMER)
async def test_what_is_not_in_the_table_is_not_there_not_even_for_an_admin(api: Api, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        refused(await api.http.request(method, path, headers=await api.admin()), 404, "not_found")


async def test_a_route_answers_to_its_methods_only(api: Api) -> None:
    offered: dict[str, set[str]] = {}
    for route in ROUTES:
        for path in (route.path, *route.aliases):
            offered.setdefault(path, set()).add(route.method)
    headers = bearer(await api.key("internal"))
    for path, methods in offered.items():
        for method in set(METHODS) - methods - ({"HEAD"} if "GET" in methods else set()):
            answer = await api.http.request(method, path, headers=headers)
            assert answer.status_code == 405, f"{method} {path} {answer.status_code}"
            assert methods <= set(answer.headers["allow"].split(", "))


async def test_a_former_name_asks_for_as_much_as_the_present_one(api: Api) -> None:
    named = [(route, alias) for route in ROUTES for alias in route.aliases]
    assert named
    for route, alias in named:
        answers = [await api.http.request(route.method, path, json={}) for path in (route.path, alias)]
        assert len({answer.status_code for answer in answers}) == 1
