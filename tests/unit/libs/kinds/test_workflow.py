from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from libs import limits
from libs.access.plan import DEFAULT_PLANS
from libs.errors import Refusal, Unavailable
from libs.kinds import KINDS
from libs.kinds.kind import Library, Offer
from libs.kinds.workflow import KIND, check, resolve, scopes
from libs.kinds.workflow_input import WorkflowInput
from libs.kinds.workflow_ready import make_ready
from tests.fakes.attempt import FakeAttempt
from tests.fakes.graphs import ALLOWED, CLASSES, UPLOAD_ID, node, picture_graph
from tests.fakes.library import FakeLibrary, version_of
from tests.fakes.workflows import definition_of, from_picture, parameter, portrait

PORTRAIT = version_of(definition_of(portrait()))


def wanted(**members: Any) -> WorkflowInput:
    return WorkflowInput.model_validate(members)


def library(*versions: Any, known: bool = True) -> FakeLibrary:
    return FakeLibrary(list(versions), CLASSES if known else None, ALLOWED)


async def refused(asked: WorkflowInput, from_: Library) -> list[str]:
    with pytest.raises(Refusal) as caught:
        await resolve(asked, from_)
    assert caught.value.code == "validation_failed"
    return [error["pointer"] for error in caught.value.errors]


def test_the_kind_is_on_offer() -> None:
    assert KINDS["workflow"] is KIND


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"workflow": "a", "graph": {}},
        {"graph": {}, "version": 1},
        {"graph": {}, "parameters": {}},
        {"workflow": "a", "version": 0},
        {"workflow": "a", "version": "1"},
        {"workflow": "A b"},
        {"workflow": "a", "colour": 1},
        {"workflow": "a", "parameters": {str(one): 1 for one in range(limits.WORKFLOW_PARAMETERS_MAX + 1)}},
        {"graph": {str(one): {} for one in range(limits.WORKFLOW_NODES_MAX + 1)}},
    ],
)
def test_an_input_is_one_of_two_and_within_its_bounds(members: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        wanted(**members)


def test_only_a_graph_needs_the_scope() -> None:
    assert scopes(wanted(graph=picture_graph())) == ("jobs:raw_workflow",)
    assert scopes(wanted(workflow="portrait")) == ()


async def test_version_values_and_seeds_are_fixed_at_submission_and_stored_so() -> None:
    newer = version_of(definition_of(portrait(units=3)), number=2)
    found = await resolve(wanted(workflow="portrait", parameters={"prompt": "x"}), library(PORTRAIT, newer))
    assert (found.version, found.order.units) == (2, 3)
    stored = found.model_dump(mode="json", exclude_none=True)
    assert stored["parameters"]["seed"] >= 0
    assert stored["parameters"]["steps"] == 4
    read = WorkflowInput.model_validate(stored)
    first, second = [await make_ready(read, library(PORTRAIT, newer)) for _ in range(2)]
    assert first.graph == second.graph
    assert first.graph["6"]["inputs"]["text"] == "x"


async def test_what_is_not_offered_is_refused_where_it_was_asked_for() -> None:
    retired = version_of(PORTRAIT.definition, number=2, retired_at_ms=1)
    shelf = library(PORTRAIT, retired)
    assert await refused(wanted(workflow="nobody"), shelf) == ["#/input/workflow"]
    assert await refused(wanted(workflow="portrait", version=2), shelf) == ["#/input/version"]
    assert await refused(wanted(workflow="portrait", version=9), shelf) == ["#/input/version"]
    assert await refused(wanted(workflow="portrait"), shelf) == ["#/input/parameters/prompt"]
    assert (await resolve(wanted(workflow="portrait", parameters={"prompt": "x"}), shelf)).version == 1


async def test_a_graph_is_held_against_the_rules_and_stored_as_it_was_understood() -> None:
    graph = picture_graph()
    graph["9"]["_meta"] = {"title": "Save"}
    found = await resolve(wanted(graph=graph), library())
    assert found.graph is not None
    assert set(found.graph["9"]) == {"class_type", "inputs"}
    graph["9"]["class_type"] = "RunPython"
    for known in (True, False):
        assert await refused(wanted(graph=graph), library(known=known)) == ["#/input/graph/9/class_type"]


async def test_a_graph_has_so_many_bytes_and_no_more() -> None:
    graph = picture_graph()
    for one in range(14):
        graph[f"t{one}"] = node("CLIPTextEncode", clip=["4", 1], text="x" * 20_000)
    assert await refused(wanted(graph=graph), library()) == ["#/input/graph"]
    del graph["t0"], graph["t1"]
    await resolve(wanted(graph=graph), library())


async def test_pictures_are_bound_by_the_plan_and_a_price_is_not() -> None:
    free, pro = DEFAULT_PLANS["free"], DEFAULT_PLANS["pro"]
    shelf = library(PORTRAIT)
    two = await resolve(wanted(workflow="portrait", parameters={"prompt": "x", "pictures": 2}), shelf)
    check(two, Offer(), pro)
    with pytest.raises(Refusal) as caught:
        check(two, Offer(), free)
    assert caught.value.errors[0]["pointer"] == "#/input/parameters/pictures"
    dear = await resolve(
        wanted(workflow="portrait"), library(version_of(definition_of({"graph": picture_graph(), "units": 9})))
    )
    check(dear, Offer(), free)
    graph = picture_graph()
    graph["5"]["inputs"]["batch_size"] = 2
    with pytest.raises(Refusal) as caught:
        check(await resolve(wanted(graph=graph), library()), Offer(), free)
    assert caught.value.errors[0]["pointer"] == "#/input/graph"


async def test_a_job_reads_so_many_uploads_and_no_more() -> None:
    graph = picture_graph()
    for one in range(limits.WORKFLOW_UPLOADS_MAX + 1):
        graph[f"i{one}"] = node("LoadImage", image=f"{UPLOAD_ID[:-1]}{one}")
    internal = DEFAULT_PLANS["internal"]
    asked = await resolve(wanted(graph=graph), library())
    assert len(asked.order.uploads) == limits.WORKFLOW_UPLOADS_MAX + 1
    with pytest.raises(Refusal) as caught:
        check(asked, Offer(), internal)
    assert caught.value.errors[0]["pointer"] == "#/input/graph"
    del graph["i0"]
    check(await resolve(wanted(graph=graph), library()), Offer(), internal)


async def test_an_upload_is_named_where_it_is_read_and_a_text_that_equals_it_is_left_alone() -> None:
    body = from_picture()
    body["graph"]["4"] = node("SaveText", text="x")
    body["parameters"].append(parameter("string", "words", "4.text", required=True))
    shelf = library(version_of(definition_of(body)))
    asked = await resolve(wanted(workflow="portrait", parameters={"photo": UPLOAD_ID, "words": UPLOAD_ID}), shelf)
    assert asked.order.uploads == (UPLOAD_ID,)
    ready = await make_ready(asked, shelf)
    assert list(ready.files()) == [(f"{UPLOAD_ID}.png", UPLOAD_ID)]
    graph = ready.named_graph()
    assert (graph["1"]["inputs"]["image"], graph["4"]["inputs"]["text"]) == (f"{UPLOAD_ID}.png", UPLOAD_ID)


async def test_a_job_waits_while_the_nodes_it_is_held_against_are_not_known() -> None:
    attempt = FakeAttempt(library=library(known=False))
    with pytest.raises(Unavailable):
        await KIND.run(wanted(graph=picture_graph()), attempt)
    unchecked = version_of(PORTRAIT.definition, is_checked=False)
    with pytest.raises(Unavailable):
        await make_ready(wanted(workflow="portrait", version=1), library(unchecked, known=False))
    assert attempt.reports == [(0, 1, "submitted")]
