"""The OpenAPI document is valid, and about every route and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import validate

from apps.api.openapi.document import openapi
from apps.api.openapi.examples import EXAMPLES
from apps.api.openapi.page import CONTENT_SECURITY_POLICY, docs_page
from apps.api.orders.order import BODIES
from apps.api.routes import ROUTES
from apps.api.routing import PUBLIC, Route
from libs import limits
from libs.kinds import KINDS

DOCUMENT: dict[str, Any] = openapi(ROUTES, "1.0.0")
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for member in value.values():
            yield from references(member)
    elif isinstance(value, list):
        for element in value:
            yield from references(element)


def test_the_document_is_valid_openapi() -> None:
    validate(DOCUMENT)


def test_every_route_is_documented_and_nothing_else() -> None:
    assert sorted(OPERATIONS) == sorted(map(name_of, ROUTES))


def test_every_route_tells_what_it_answers() -> None:
    assert [name_of(route) for route in ROUTES if not route.answers] == []


def test_operations_have_ids_of_their_own() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(ids) == len(set(ids))


def test_a_parameter_has_a_default_only_where_its_absence_means_that() -> None:
    parameters = [one for operation in OPERATIONS.values() for one in operation.get("parameters", ())]
    assert {one["name"]: one["schema"]["default"] for one in parameters if "default" in one["schema"]} == {
        "limit": limits.PAGE_SIZE,
        "by": "day",
    }


def test_a_change_has_no_defaults_that_a_client_might_send() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    changes = [schemas[name]["properties"] for name in ("EndpointChanges", "SomeNumbers", "UserChange")]
    assert [one for members in changes for one in members.values() if one.get("default") is not None] == []


def test_schemas_are_named_for_those_who_read_them() -> None:
    assert [name for name in DOCUMENT["components"]["schemas"] if "__" in name] == []


def test_every_component_is_used() -> None:
    used = set(references(DOCUMENT))
    kinds = ("schemas", "responses", "headers")
    named = {f"#/components/{kind}/{name}" for kind in kinds for name in DOCUMENT["components"][kind]}
    assert named == used


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_what_needs_a_key_says_so(route: Route) -> None:
    operation = OPERATIONS[name_of(route)]
    assert operation["x-scope"] == route.scope
    assert ("security" in operation) == (route.scope != PUBLIC)
    assert ("401" in operation["responses"]) == (route.scope != PUBLIC)


def test_the_examples_are_bodies_of_their_routes() -> None:
    models = {name_of(route): route.body for route in ROUTES}
    for name, example in EXAMPLES.items():
        model = models[name][_generate() if name == "POST /api/v1/jobs" else 0]
        assert model is not None
        model.model_validate(example)


def _generate() -> int:
    return list(KINDS).index("generate")


def test_a_job_of_every_kind_can_be_submitted_by_its_model() -> None:
    assert {model.model_fields["input"].annotation for model in BODIES[:-1]} == {kind.input for kind in KINDS.values()}


def test_the_page_shows_every_operation_and_fetches_nothing() -> None:
    page = docs_page(DOCUMENT)
    assert [one["operationId"] for one in OPERATIONS.values() if f'id="{one["operationId"]}"' not in page] == []
    assert re.findall(r"<script|<link|<img|src=|url\(|style=", page) == []
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY


def test_every_link_of_the_page_leads_somewhere() -> None:
    page = docs_page(DOCUMENT)
    assert {link for link in re.findall(r'href="#([^"]+)"', page) if f'id="{link}"' not in page} == set()
