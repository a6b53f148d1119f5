"""The page of routes is the table of routes: every one, in its order, with what its endpoint says of itself."""

from __future__ import annotations

import inspect

from apps.api.routes import ROUTES
from apps.api.routing import Route
from tests.contract.paths import read, rows


def row(route: Route) -> list[str]:
    names = " ".join(f"`{route.method} {path}`" for path in (route.path, *route.aliases))
    said = (inspect.getdoc(route.endpoint) or "").partition("\n\n")[0]
    return [names, route.scope, route.bucket or "-", " ".join(said.split())]


def test_the_page_of_routes_is_the_routes() -> None:
    assert rows(read("docs/reference/routes.md")) == [row(route) for route in ROUTES]


def test_every_route_says_what_it_answers() -> None:
    assert [route.path for route in ROUTES if not row(route)[-1]] == []
