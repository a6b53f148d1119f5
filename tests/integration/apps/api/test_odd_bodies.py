"""No more of a body is parsed, and found wrong, than its route takes. For times see `tests.bench.bodies`."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from apps.api import body as bodies
from apps.api import validation
from libs import limits
from libs.access.api_key import DEFAULT_SCOPES
from libs.workflows.node_classes import publish_classes
from tests.fakes.api import bearer
from tests.fakes.graphs import CLASSES
from tests.fakes.odd_bodies import odd_bodies
from tests.integration.apps.api.conftest import MakeApi

SIZE = 0.15
ERRORS_BUILT_MAX = 1_000


def values_in(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    return len(value) + sum(map(values_in, value.values() if isinstance(value, dict) else value))


async def test_odd_bodies_are_refused_for_no_more_work_than_their_routes_take(
    make_api: MakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await make_api(bytes_in_flight_max=2**30)
    await publish_classes(api.resources.cells.shared, "comfyui", CLASSES)
    parsed, built = [0], [0]
    load, refusal_of = bodies._loads, validation.refusal_of

    def loads(text: bytes) -> Any:
        value = load(text)
        parsed.append(values_in(value))
        return value

    def refused(error: ValidationError, at: Any = ()) -> Any:
        built.append(error.error_count())
        return refusal_of(error, at)

    monkeypatch.setattr(bodies, "_loads", loads)
    monkeypatch.setattr(validation, "refusal_of", refused)
    secret = await api.key("internal", DEFAULT_SCOPES | {"admin", "jobs:raw_workflow"})
    headers = bearer(secret) | {"Content-Type": "application/json"}
    told: dict[str, int] = {}
    for name, method, path, text in odd_bodies(SIZE):
        answer = await api.http.request(method, path, content=text, headers=headers)
        told[f"{name}, {path}"] = answer.status_code
        errors = answer.json().get("errors") or ()
        assert len(errors) <= limits.VALIDATION_ERRORS_MAX
    assert {name: status for name, status in told.items() if not 400 <= status < 500} == {
        name: 202 for name in told if name.startswith("a graph that is right")
    }
    assert max(parsed) <= limits.GRAPH_VALUES_MAX
    assert max(built) <= ERRORS_BUILT_MAX
