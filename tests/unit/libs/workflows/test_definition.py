from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from libs import limits
from libs.workflows.definition import Definition, classes_of, definition_flaws
from tests.fakes.graphs import CLASSES, node, picture_graph
from tests.fakes.workflows import definition_of, from_picture, parameter, portrait


def flaws_of(body: dict[str, Any], classes: Any = CLASSES) -> list[tuple[str, str]]:
    return [("/".join(map(str, flaw.at)), flaw.code) for flaw in definition_flaws(definition_of(body), classes)[1]]


def with_one(one: dict[str, Any], **graph: Any) -> dict[str, Any]:
    return {"graph": picture_graph() | graph, "parameters": [one]}


@pytest.mark.parametrize("body", [portrait(), from_picture(), {"graph": picture_graph()}])
def test_a_good_one_has_no_flaw_and_is_stored_and_read_as_it_is(body: dict[str, Any]) -> None:
    definition, flaws = definition_flaws(definition_of(body), CLASSES)
    assert flaws == []
    stored = orjson.dumps(definition.model_dump(mode="json"))
    assert Definition.model_validate(orjson.loads(stored), extra="ignore") == definition


def test_what_a_newer_version_stored_is_ignored() -> None:
    stored = definition_of(portrait()).model_dump(mode="json") | {"colour": 1}
    stored["parameters"][0]["hue"] = 2
    assert Definition.model_validate(stored, extra="ignore") == definition_of(portrait())


@pytest.mark.parametrize(
    "change,flaw",
    [
        (node("RunShell"), ("graph/9/class_type", "unknown_class")),
        (node("SaveImage", filename_prefix="x"), ("graph/9/inputs/images", "required")),
        (node("SaveImage", images=["3", 0], filename_prefix="x"), ("graph/9/inputs/images", "wrong_type")),
        (node("SaveImage", images=["8", 1], filename_prefix="x"), ("graph/9/inputs/images", "unknown_output")),
        (node("SaveImage", images=["88", 0], filename_prefix="x"), ("graph/9/inputs/images", "unknown_node")),
        (node("SaveImage", images=None, filename_prefix="x"), ("graph/9/inputs/images", "wrong_type")),
        (node("PreviewImage", images="8"), ("graph/9/inputs/images", "wrong_type")),
        (node("ImageInvert", image=["9", 0]), ("graph/9", "loop")),
        (node("ImageInvert", image=["8", 0]), ("graph", "no_output")),
    ],
)
def test_a_graph_that_the_backend_could_not_run_is_told_where(change: dict[str, Any], flaw: tuple[str, str]) -> None:
    assert flaws_of({"graph": picture_graph() | {"9": change}}) == [flaw]


@pytest.mark.parametrize(
    "one,at,code",
    [
        (parameter("string", "a", "66.text", default="x"), "sets/0", "unknown_node"),
        (parameter("string", "a", "6.texts", default="x"), "sets/0", "unknown_input"),
        (parameter("string", "a", "6.clip", default="x"), "sets/0", "link"),
        (parameter("string", "a", "9.filename_prefix", default="x"), "sets/0", "input_not_allowed"),
        (parameter("choice", "a", "9.filename_prefix", choices=["x"], required=True), "sets/0", "input_not_allowed"),
        (parameter("string", "a", "4.ckpt_name", default="x"), "sets/0", "wrong_type"),
        (parameter("string", "a", "3.steps", default="x"), "sets/0", "wrong_type"),
        (parameter("number", "a", "3.steps", minimum=1, maximum=2, default=1), "sets/0", "wrong_type"),
        (parameter("boolean", "a", "3.steps", default=True), "sets/0", "wrong_type"),
        (parameter("image", "a", "4.ckpt_name", required=True), "sets/0", "wrong_type"),
        (parameter("seed", "a", "6.text"), "sets/0", "wrong_type"),
        (parameter("integer", "a", "3.steps", minimum=0, maximum=9, default=1), "minimum", "out_of_range"),
        (parameter("integer", "a", "3.steps", minimum=1, maximum=10_001, default=1), "maximum", "out_of_range"),
        (parameter("integer", "a", "3.steps", minimum=1, maximum=3), "default", "out_of_range"),
        (parameter("integer", "a", "3.steps", minimum=1, maximum=9, default=10), "default", "out_of_range"),
        (parameter("choice", "a", "3.scheduler", choices=["normal", "none"]), "choices/1", "not_offered"),
        (parameter("choice", "a", "3.scheduler", choices=["karras"]), "default", "not_offered"),
        (parameter("string", "a", "6.text", max_length=3), "default", "length"),
        (parameter("boolean", "a", "9.embed_workflow"), "", "no_default"),
    ],
)
def test_a_parameter_that_does_not_fit_its_node_is_told_where(one: dict[str, Any], at: str, code: str) -> None:
    where = "/".join(filter(None, ["parameters/0", at]))
    assert (where, code) in flaws_of(with_one(one))


def test_free_text_never_goes_where_a_file_or_an_address_is_meant_and_a_choice_of_the_admins_may() -> None:
    page = {"1": node("LoadImageFromUrl", url="https://example.com/a.png")}
    text = parameter("string", "a", "1.url", required=True)
    assert flaws_of(with_one(text, **page)) == [("parameters/0/sets/0", "input_not_allowed")]
    assert flaws_of(with_one(text, **page), None) == [("parameters/0/sets/0", "input_not_allowed")]
    listed = parameter("choice", "a", "1.url", required=True, choices=["https://example.com/a.png"])
    assert flaws_of(with_one(listed, **page)) == []


def test_names_and_places_are_claimed_once() -> None:
    one = parameter("string", "a", "6.text", "6.text", default="x")
    body = {"graph": picture_graph(), "parameters": [one, parameter("string", "a", "6.text", default="x")]}
    assert flaws_of(body) == [
        ("parameters/0/sets/1", "taken"),
        ("parameters/1/name", "taken"),
        ("parameters/1/sets/0", "taken"),
    ]


@pytest.mark.parametrize(
    "units,code", [("prompt", "no_such_parameter"), ("nobody", "no_such_parameter"), ("pictures", "out_of_range")]
)
def test_units_are_told_by_an_integer_that_cannot_be_nothing(units: str, code: str) -> None:
    body = portrait(units=units)
    body["parameters"][6] |= {"minimum": 1, "maximum": 1_001}
    assert ("units", code) in flaws_of(body)


def test_without_node_classes_shape_links_and_places_are_held_all_the_same() -> None:
    assert flaws_of(portrait(), None) == []
    assert flaws_of({"graph": {"1": node("Unheard", x=["2", 0])}}, None) == [("graph/1/inputs/x", "unknown_node")]
    assert flaws_of(with_one(parameter("string", "a", "6.more", default="x")), None)


@pytest.mark.parametrize("name", ["example.png", "nobody.png", "below/nobody.png", "pasted/image.png [input]"])
def test_a_picture_that_need_not_be_given_is_the_one_in_the_graph_wherever_the_backend_has_it(name: str) -> None:
    body = from_picture()
    body["parameters"][0]["required"] = False
    body["graph"]["1"]["inputs"]["image"] = name
    assert flaws_of(body) == []


def test_a_workflow_has_so_many_bytes_and_no_more() -> None:
    graph = picture_graph()
    for one in range(14):
        graph[f"t{one}"] = node("CLIPTextEncode", clip=["4", 1], text="x" * 20_000)
    assert flaws_of({"graph": graph}) == [("", "too_large")]
    del graph["t0"], graph["t1"]
    assert flaws_of({"graph": graph}) == []


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": [parameter("string", f"p{one}", "6.text") for one in range(limits.WORKFLOW_PARAMETERS_MAX + 1)]},
        {"parameters": [parameter("choice", "a", "6.text", choices=["x"] * (limits.WORKFLOW_CHOICES_MAX + 1))]},
        {"parameters": [parameter("choice", "a", "6.text", choices=[])]},
        {"parameters": [parameter("string", "a")]},
        {"parameters": [parameter("string", "A", "6.text")]},
        {"parameters": [parameter("text", "a", "6.text")]},
        {"parameters": [parameter("integer", "a", "3.steps", minimum=1)]},
        {"parameters": [parameter("number", "a", "3.cfg", minimum=float("-inf"), maximum=float("nan"))]},
        {"units": 0},
        {"units": limits.WORKFLOW_UNITS_MAX + 1},
        {"units": True},
        {"colour": 1},
    ],
)
def test_a_body_past_its_bounds_is_no_definition(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        definition_of(portrait(**change))


def test_the_classes_that_a_graph_asks_for_are_known_before_it_is_read() -> None:
    assert classes_of({"1": node("A"), "2": {"class_type": 7}, "3": 1, "4": node("B" * 1_000)}) == {"A"}
