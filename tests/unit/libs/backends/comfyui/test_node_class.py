from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.backends.comfyui.node_class import CHOICE, Choice, NodeClass
from libs.backends.comfyui.schema import read_classes
from libs.embedded.comfyui_standin.nodes import CHECKPOINTS, object_info


@pytest.mark.parametrize("combo", [False, True])
def test_both_spellings_of_choices_are_read(combo: bool) -> None:
    classes = read_classes(object_info(combo=combo))
    loader = classes["CheckpointLoaderSimple"]
    assert loader.inputs["ckpt_name"].types == frozenset({CHOICE})
    assert loader.inputs["ckpt_name"].choices == tuple(CHECKPOINTS)
    assert loader.outputs == ("MODEL", "CLIP", "VAE")
    assert classes["LoadImage"].inputs["image"].is_file
    assert not classes["KSampler"].is_output
    assert classes["SaveImage"].is_output


def test_bounds_types_and_what_may_be_left_out_are_read() -> None:
    inputs = read_classes(object_info())["KSampler"].inputs
    assert (inputs["steps"].least, inputs["steps"].most) == (1, 10_000)
    assert inputs["steps"].types == {"INT"}
    assert inputs["model"].types == {"MODEL"}
    assert read_classes(object_info())["VAEDecode"].inputs["tile_overlap"].required is False


def test_what_is_published_is_read_again_as_it_was() -> None:
    for one in read_classes(object_info()).values():
        lists: dict[str, tuple[Choice, ...]] = {}
        stored = orjson.loads(orjson.dumps(one.as_json(lists)))
        assert NodeClass.from_json(stored, lists) == one


def test_an_input_of_several_types_has_them_all() -> None:
    info = {"A": {"input": {"required": {"a": ["INT,FLOAT, MASK"]}}, "output": [["x", "y"], "*"]}}
    found = read_classes(info)["A"]
    assert found.inputs["a"].types == {"INT", "FLOAT", "MASK"}
    assert found.outputs == (CHOICE, "*")


def test_hidden_inputs_are_not_there() -> None:
    assert read_classes(object_info())["SaveImage"].inputs.keys() == {"images", "filename_prefix", "embed_workflow"}


def test_a_choice_whose_values_are_not_told_has_none() -> None:
    info = {"A": {"input": {"required": {"a": ["COMBO", {"remote": {"route": "/x"}}]}}, "output": []}}
    assert read_classes(info)["A"].inputs["a"].choices is None


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["input", "required", "output", "a"]), inner),
    max_leaves=10,
)


@given(JSON, JSON)
def test_a_class_that_makes_no_sense_is_left_out_and_the_others_stay(garbage: Any, more: Any) -> None:
    good = object_info("SaveImage")
    found = read_classes({**good, "X": garbage, "Y": {"input": more, "output": []}})
    assert found["SaveImage"] == read_classes(good)["SaveImage"]
