"""What a list may be asked: a filter with a typing error is refused, for it would let everything through."""

from __future__ import annotations

import pytest

from apps.api.routes import ROUTES
from apps.api.routing import Route
from tests.fakes.api import Api
from tests.fakes.problems import refused

ASKED = [route for route in ROUTES if route.query is not None and "{" not in route.path]


@pytest.mark.parametrize("route", ASKED, ids=lambda route: route.path)
async def test_a_parameter_that_a_list_does_not_know_is_named(api: Api, route: Route) -> None:
    admin = await api.admin()
    body = refused(await api.http.get(f"{route.path}?statsu=running", headers=admin), 422, "validation_failed")
    assert [(error["parameter"], error["code"]) for error in body["errors"]] == [("statsu", "unknown_parameter")]
    assert (await api.http.get(route.path, headers=admin)).status_code == 200
    assert (await api.http.get(f"{route.path}?statsu=running")).status_code == 401
