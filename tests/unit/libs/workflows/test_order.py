from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.workflows.order import complete, filled, input_schema, seeds_of, units_of, uploads_of
from libs.workflows.parameter import SEED_MAX
from tests.fakes.graphs import UPLOAD_ID
from tests.fakes.workflows import definition_of, from_picture, portrait

PORTRAIT = definition_of(portrait())
PHOTO = definition_of(from_picture())


def flaws_of(given: dict[str, Any]) -> list[tuple[str, str]]:
    return [("/".join(map(str, flaw.at)), flaw.code) for flaw in complete(PORTRAIT, given)[1]]


def test_what_is_not_said_is_the_default_or_what_stands_in_the_graph() -> None:
    values, flaws = complete(PORTRAIT, {"prompt": "x"})
    assert flaws == []
    seed = values.pop("seed")
    assert 0 <= seed <= SEED_MAX
    assert values == {
        "prompt": "x",
        "avoid": "fog",
        "steps": 4,
        "cfg": 7,
        "sampler": "euler",
        "pictures": 1,
        "side": 64,
    }


@pytest.mark.parametrize("sent", [{}, {"seed": -1}])
def test_a_seed_that_nobody_chose_is_drawn_and_one_that_was_chosen_stays(sent: dict[str, Any]) -> None:
    drawn = {complete(PORTRAIT, {"prompt": "x", **sent})[0]["seed"] for _ in range(20)}
    assert len(drawn) == 20
    assert complete(PORTRAIT, {"prompt": "x", "seed": 0})[0]["seed"] == 0


def test_values_stand_in_all_their_places_and_the_workflow_stays_as_it_is() -> None:
    values, _ = complete(PORTRAIT, {"prompt": "x", "side": 128, "seed": 5, "pictures": 3})
    graph = filled(PORTRAIT, values)
    assert graph["6"]["inputs"] == {"text": "x", "clip": ["4", 1]}
    assert graph["5"]["inputs"] == {"width": 128, "height": 128, "batch_size": 3}
    assert (graph["3"]["inputs"]["seed"], graph["3"]["inputs"]["model"]) == (5, ["4", 0])
    assert PORTRAIT.graph["6"]["inputs"]["text"] == "a lighthouse"
    assert (units_of(PORTRAIT, values), seeds_of(PORTRAIT, values)) == (3, {"seed": 5})


def test_uploads_are_those_that_pictures_name() -> None:
    values, flaws = complete(PHOTO, {"photo": UPLOAD_ID})
    assert (flaws, uploads_of(PHOTO, values), units_of(PHOTO, values)) == ([], (UPLOAD_ID,), 1)
    assert uploads_of(PHOTO, {}) == ()


@pytest.mark.parametrize(
    "sent,flaw",
    [
        ({}, ("prompt", "required")),
        ({"prompt": ""}, ("prompt", "length")),
        ({"prompt": "x" * 101}, ("prompt", "length")),
        ({"prompt": None}, ("prompt", "string_type")),
        ({"prompt": "x", "steps": 0}, ("steps", "out_of_range")),
        ({"prompt": "x", "steps": 51}, ("steps", "out_of_range")),
        ({"prompt": "x", "steps": True}, ("steps", "int_type")),
        ({"prompt": "x", "steps": "4"}, ("steps", "int_type")),
        ({"prompt": "x", "cfg": 30.6}, ("cfg", "out_of_range")),
        ({"prompt": "x", "cfg": None}, ("cfg", "float_type")),
        ({"prompt": "x", "sampler": "ddim"}, ("sampler", "not_offered")),
        ({"prompt": "x", "sampler": ["6", 0]}, ("sampler", "not_offered")),
        ({"prompt": "x", "seed": -2}, ("seed", "out_of_range")),
        ({"prompt": "x", "seed": 2**53}, ("seed", "out_of_range")),
        ({"prompt": "x", "side": 65}, ("side", "multiple_of")),
        ({"prompt": ["4", 0]}, ("prompt", "string_type")),
        ({"prompt": "x", "colour": 1}, ("colour", "unknown_member")),
    ],
)
def test_what_is_wrong_is_told_by_the_parameters_name(sent: dict[str, Any], flaw: tuple[str, str]) -> None:
    assert flaws_of(sent) == [flaw]


SCHEMA = input_schema("portrait", 3, PORTRAIT)
_NAMES = [one.name for one in PORTRAIT.parameters]
_VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 600)
    | st.integers(2**53 - 2, 2**53 + 2)
    | st.floats(0, 40).filter(lambda number: not number.is_integer())
    | st.text(max_size=3)
    | st.sampled_from(["euler", "heun", "x" * 100, "x" * 101])
    | st.lists(st.integers(), max_size=2)
)
_GOOD = {"prompt": "x", "steps": 3, "cfg": 2.5, "sampler": "heun", "seed": -1, "pictures": 2, "side": 128}


@given(st.dictionaries(st.sampled_from([*_NAMES, "colour"]), _VALUES, max_size=2), st.booleans())
def test_the_schema_says_of_every_value_what_we_say(sent: dict[str, Any], good: bool) -> None:
    parameters = {**(_GOOD if good else {}), **sent}
    body = {"workflow": "portrait", "version": 3, "parameters": parameters}
    accepts = jsonschema.Draft202012Validator(SCHEMA).is_valid(body)
    assert accepts is not bool(flaws_of(parameters))


def test_the_schema_is_one_and_tells_defaults_and_what_is_needed() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    parameters = SCHEMA["properties"]["parameters"]
    assert parameters["properties"]["steps"] == {"type": "integer", "minimum": 1, "maximum": 50, "default": 4}
    assert (parameters["required"], SCHEMA["required"]) == (["prompt"], ["workflow", "parameters"])
    assert input_schema("photo", 1, PHOTO)["properties"]["parameters"]["properties"]["photo"]["pattern"]
