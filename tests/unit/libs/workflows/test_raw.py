from __future__ import annotations

import copy
import re
from dataclasses import replace
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs import limits
from libs.backends.comfyui import Graph
from libs.backends.comfyui.node_class import NodeClass
from libs.embedded.comfyui_standin.nodes import validate
from libs.workflows.classes import RawClasses
from libs.workflows.flaw import Flaw
from libs.workflows.raw import names_place, pictures_of_raw, read_raw, uploads_in
from tests.fakes.graphs import ALLOWED, CLASSES, INFO, ODD, UPLOAD_ID, picture_graph, random_graph
from tests.fakes.mutations import mutated
from tests.run.profiles import examples
from tests.run.promises import Prompt

PLACES = ("code", "url", "image_path", "mask_path", "lutFileName", "file")


def read(sent: object) -> tuple[Graph, list[Flaw]]:
    return read_raw(sent, ALLOWED, CLASSES)


def flaws_of(sent: object) -> list[tuple[str, str]]:
    return [("/".join(map(str, flaw.at)), flaw.code) for flaw in read(sent)[1]]


def hold_it_against_the_list(graph: Any) -> None:
    """What is promised of a graph that got through, told without a word of the validator's."""
    assert 1 <= len(graph) <= 200
    for node, body in graph.items():
        assert re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_:.-]*", node)
        assert set(body) == {"class_type", "inputs"}
        assert ALLOWED.has(body["class_type"])
        info = INFO[body["class_type"]]["input"]
        declared = {**info["required"], **info.get("optional", {})}
        assert set(info["required"]) <= set(body["inputs"]) <= set(declared)
        for name, value in body["inputs"].items():
            hold_input(graph, name, declared[name], value)
    orjson.dumps(graph)
    if not any(body["class_type"] in ODD for body in graph.values()):
        assert validate(graph) is None


def hold_input(graph: Any, name: str, declared: list[Any], value: Any) -> None:
    assert name not in PLACES
    options = declared[1] if len(declared) > 1 else {}
    if name == "filename_prefix":
        assert value == "arqade"
    elif options.get("image_upload"):
        assert re.fullmatch(r"upload_[0-9a-z]{26}", value)
    elif isinstance(value, list):
        source, index = value
        outputs = INFO[graph[source]["class_type"]]["output"]
        assert type(index) is int
        assert declared[0] in (outputs[index], "*") or outputs[index] == "*"
    elif isinstance(declared[0], list):
        assert value in declared[0]
    elif declared[0] == "*":
        orjson.dumps(value)
    elif declared[0] == "STRING":
        assert type(value) is str
        assert len(value) <= 65_536
        assert "\x00" not in value
    else:
        assert {"INT": int, "BOOLEAN": bool, "FLOAT": float}[declared[0]] is type(value) or (
            declared[0] == "FLOAT" and type(value) is int
        )
        assert options.get("min", value) <= value <= options.get("max", value)


@given(st.integers(0, 2**64 - 1))
def test_what_is_valid_gets_through_and_comes_out_as_it_went_in(seed: int) -> None:
    sent = random_graph(Random(seed))
    graph, flaws = read(copy.deepcopy(sent))
    assert not flaws
    hold_it_against_the_list(graph)
    for node, body in sent.items():
        assert {**body["inputs"], "filename_prefix": 0} == {**graph[node]["inputs"], "filename_prefix": 0}


@given(st.integers(0, 2**64 - 1))
@settings(max_examples=examples(5))
def test_no_mutation_gets_a_class_or_an_input_outside_the_list_through(seed: int) -> None:
    draw = Random(seed)
    graph, flaws = read(mutated(random_graph(draw), draw))
    if not flaws:
        hold_it_against_the_list(graph)
    else:
        assert graph == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["4", "SaveImage", "images"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(["4", "inputs"]), inner),
    max_leaves=20,
)


@given(JSON, st.sampled_from(["9", "3", "6", "5"]), st.sampled_from(["text", "seed", "images", "clip", "width", "x"]))
def test_whatever_stands_in_an_input_is_read_without_an_exception(value: Any, node: str, name: str) -> None:
    sent = picture_graph()
    sent[node]["inputs"][name] = value
    graph, flaws = read(sent)
    if not flaws:
        hold_it_against_the_list(graph)
    assert read(value)[1]


@pytest.mark.parametrize(
    "change,flaw",
    [
        (("9", "class_type", "RunPython"), ("9/class_type", "node_not_allowed")),
        (("9", "class_type", "S\u0430veImage"), ("9/class_type", "node_not_allowed")),
        (("9", "is_changed", "x"), ("9/is_changed", "unknown_member")),
        (("9", "inputs", [["images", "x"]]), ("9/inputs", "type")),
        (("4", "inputs", {"ckpt_name": "../secret.ckpt"}), ("4/inputs/ckpt_name", "not_offered")),
        (("4", "inputs", {"ckpt_name": ["6", 0]}), ("4/inputs/ckpt_name", "literal_needed")),
        (("6", "inputs", {"text": "x", "clip": ["4", 0]}), ("6/inputs/clip", "wrong_type")),
        (("6", "inputs", {"text": "x", "clip": ["4", 3]}), ("6/inputs/clip", "unknown_output")),
        (("6", "inputs", {"text": "x", "clip": ["44", 0]}), ("6/inputs/clip", "unknown_node")),
        (("6", "inputs", {"text": "x", "clip": "CLIP"}), ("6/inputs/clip", "wrong_type")),
        (("6", "inputs", {"clip": ["4", 1]}), ("6/inputs/text", "required")),
        (("6", "inputs", {"text": {"__value__": ["x"]}, "clip": ["4", 1]}), ("6/inputs/text", "unknown_type")),
        (("6", "inputs", {"text": ["x"], "clip": ["4", 1]}), ("6/inputs/text", "value")),
        (("6", "inputs", {"text": "x", "clip": None}), ("6/inputs/clip", "wrong_type")),
        (("6", "inputs", {"text": "x", "clip": ["4", 1], "code": "x"}), ("6/inputs/code", "unknown_input")),
        (("5", "inputs", {"width": 8, "height": 64, "batch_size": 1}), ("5/inputs/width", "out_of_range")),
        (("5", "inputs", {"width": True, "height": 64, "batch_size": 1}), ("5/inputs/width", "out_of_range")),
        (("5", "inputs", {"width": "wide", "height": 64, "batch_size": 1}), ("5/inputs/width", "wrong_type")),
        (("5", "inputs", {"width": None, "height": 64, "batch_size": 1}), ("5/inputs/width", "wrong_type")),
        (("5", "inputs", {"width": 64, "height": 64, "batch_size": "9" * 30}), ("5/inputs/batch_size", "wrong_type")),
        (("5", "inputs", {"width": 2**80, "height": 64, "batch_size": 1}), ("5/inputs/width", "value")),
        (("8", "inputs", {"samples": ["8", 0], "vae": ["4", 2]}), ("8", "loop")),
    ],
)
def test_each_flaw_is_told_where_it_is(change: tuple[str, str, Any], flaw: tuple[str, str]) -> None:
    sent = picture_graph()
    node, member, value = change
    sent[node][member] = value
    assert flaw in flaws_of(sent)


def loading(image: Any) -> dict[str, Any]:
    inputs = {"images": ["1", 0], "filename_prefix": "x"}
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": image}},
        "2": {"class_type": "SaveImage", "inputs": inputs},
    }


@pytest.mark.parametrize(
    "image", ["example.png", "../x.png", f"{UPLOAD_ID} [output]", f"{UPLOAD_ID}\n", "x [input]", 7, True, ""]
)
def test_no_text_reaches_a_file_input_but_the_id_of_an_upload(image: Any) -> None:
    assert read(loading(UPLOAD_ID))[1] == []
    assert flaws_of(loading(image)) == [("1/inputs/image", "upload_needed")]


def test_no_link_reaches_a_file_input() -> None:
    sent = loading(["3", 0]) | {"3": {"class_type": "PrimitiveString", "inputs": {"value": "/etc/passwd"}}}
    assert ("1/inputs/image", "upload_needed") in flaws_of(sent)


@pytest.mark.parametrize("name", ["mask_path", "lutFileName"])
def test_an_input_that_names_a_place_is_closed_even_in_an_allowed_class(name: str) -> None:
    sent = loading(UPLOAD_ID)
    blur = {"image": ["1", 0], "blur_radius": 3, name: "x"}
    sent["3"] = {"class_type": "ImageBlur", "inputs": blur}
    assert flaws_of(sent) == [(f"3/inputs/{name}", "input_not_allowed")]


@pytest.mark.parametrize(
    "name", ["file", "image_path", "imagePath", "baseURL", "outputDir", "url2", "imageurl", "Code"]
)
def test_names_of_places_are_recognised(name: str) -> None:
    assert names_place(name)


@pytest.mark.parametrize("name", ["filename_prefix", "text", "profile", "decode", "direction", "ghost", "encoder"])
def test_other_names_are_not(name: str) -> None:
    assert not names_place(name)


def test_a_choice_that_the_backend_does_not_list_cannot_be_made() -> None:
    sent = picture_graph() | {"1": {"class_type": "CLIPVisionLoader", "inputs": {"clip_name": "x"}}}
    assert flaws_of(sent) == [("1/inputs/clip_name", "not_offered")]


def test_the_prefix_is_ours_whatever_was_sent_even_a_link() -> None:
    for prefix in ("mine", "../../x", ["6", 0]):
        sent = picture_graph()
        sent["9"]["inputs"]["filename_prefix"] = prefix
        graph, flaws = read(sent)
        assert (flaws, graph["9"]["inputs"]["filename_prefix"]) == ([], "arqade")


def test_titles_of_the_editor_are_dropped() -> None:
    sent = picture_graph()
    sent["9"]["_meta"] = {"title": "Save"}
    graph, flaws = read(sent)
    assert (flaws, set(graph["9"])) == ([], {"class_type", "inputs"})


def test_a_graph_that_puts_nothing_out_is_refused() -> None:
    sent = picture_graph()
    del sent["9"]
    assert flaws_of(sent) == [("", "no_output")]


@pytest.mark.parametrize("nodes,flaws", [(limits.WORKFLOW_NODES_MAX, []), (limits.WORKFLOW_NODES_MAX + 1, 1)])
def test_a_graph_has_so_many_nodes_and_no_more(nodes: int, flaws: Any) -> None:
    sent = {str(one): {"class_type": "PreviewImage", "inputs": {"images": ["0", 0]}} for one in range(1, nodes)}
    sent["0"] = {"class_type": "LoadImage", "inputs": {"image": UPLOAD_ID}}
    found = flaws_of(sent)
    assert found == flaws or len(found) == flaws


@pytest.mark.parametrize(
    "length,flaws", [(limits.WORKFLOW_TEXT_LENGTH_MAX, 0), (limits.WORKFLOW_TEXT_LENGTH_MAX + 1, 1)]
)
def test_a_text_is_so_long_and_no_longer(length: int, flaws: int) -> None:
    sent = picture_graph()
    sent["6"]["inputs"]["text"] = "x" * length
    assert len(flaws_of(sent)) == flaws


def test_a_node_has_so_many_inputs_and_a_name_so_many_characters() -> None:
    sent = picture_graph()
    sent["6"]["inputs"] |= {str(one): 1 for one in range(limits.WORKFLOW_NODE_INPUTS_MAX)}
    assert flaws_of(sent) == [("6/inputs", "type")]
    sent = picture_graph()
    sent["x" * limits.WORKFLOW_NAME_LENGTH_MAX] = sent["7"]
    assert flaws_of(sent) == []
    sent["x" * (limits.WORKFLOW_NAME_LENGTH_MAX + 1)] = sent["7"]
    assert [code for _, code in flaws_of(sent)] == ["node_id"]


def test_as_many_flaws_are_looked_for_as_are_told() -> None:
    inputs = {f"x{one}": "y" for one in range(limits.WORKFLOW_NODE_INPUTS_MAX)}
    wrong = {str(one): {"class_type": "KSampler", "inputs": inputs} for one in range(limits.WORKFLOW_NODES_MAX)}
    assert len(read(wrong)[1]) == limits.VALIDATION_ERRORS_MAX


def test_without_node_classes_shape_links_and_names_of_classes_are_checked_all_the_same() -> None:
    assert read_raw(picture_graph(), ALLOWED, None)[1] == []
    for sent in (
        picture_graph() | {"1": {"class_type": "RunPython", "inputs": {"code": "x"}}},
        picture_graph() | {"1": {"class_type": "VAEDecode", "inputs": {"samples": ["1", 0]}}},
        picture_graph() | {"1": {"class_type": "VAEDecode", "inputs": {"samples": ["nowhere", 0]}}},
    ):
        assert read_raw(sent, ALLOWED, None)[1]


def test_a_picture_is_a_unit() -> None:
    assert pictures_of_raw(picture_graph()) == 1
    sent = picture_graph()
    sent["5"]["inputs"]["batch_size"] = 3
    sent["10"] = {"class_type": "RepeatLatentBatch", "inputs": {"samples": ["5", 0], "amount": 2}}
    sent["3"]["inputs"]["latent_image"] = ["10", 0]
    sent["11"] = {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}}
    assert pictures_of_raw(read(sent)[0]) == 12


def test_what_is_made_cannot_be_multiplied_by_a_link() -> None:
    sent = picture_graph() | {"1": {"class_type": "PrimitiveInt", "inputs": {"value": 64}}}
    sent["5"]["inputs"]["batch_size"] = ["1", 0]
    assert flaws_of(sent) == [("5/inputs/batch_size", "literal_needed")]


def test_uploads_are_found_where_they_are() -> None:
    assert uploads_in(loading(UPLOAD_ID)) == {("1", "image"): UPLOAD_ID}
    assert uploads_in(picture_graph()) == {}


def test_a_graph_of_two_hundred_nodes_in_a_row_is_no_matter_of_recursion(prompt: Prompt) -> None:
    sent: dict[str, Any] = {"0": {"class_type": "LoadImage", "inputs": {"image": UPLOAD_ID}}}
    for one in range(1, 199):
        sent[str(one)] = {"class_type": "ImageInvert", "inputs": {"image": [str(one - 1), 0]}}
    sent["199"] = {"class_type": "PreviewImage", "inputs": {"images": ["198", 0]}}
    with prompt(1):
        assert read(sent)[1] == []


@pytest.mark.parametrize("sent", ["4", 4.0, {"__value__": 4}, {"__value__": "4"}, " 4 "])
def test_what_the_backend_converts_is_priced_and_run_converted(sent: Any) -> None:
    graph = picture_graph()
    graph["5"]["inputs"]["batch_size"] = sent
    found, flaws = read(graph)
    assert flaws == []
    assert found["5"]["inputs"]["batch_size"] == 4
    assert type(found["5"]["inputs"]["batch_size"]) is int
    assert pictures_of_raw(found) == 4


@pytest.mark.parametrize("sent", ["4", 4.0, True, {"__value__": 4}, ["3", 0], None])
def test_what_multiplies_the_price_is_a_plain_number_before_the_nodes_are_known(sent: Any) -> None:
    graph = picture_graph()
    graph["5"]["inputs"]["batch_size"] = sent
    assert [flaw.code for flaw in read_raw(graph, ALLOWED, None)[1]] in (["literal_needed"], ["loop"])


def test_a_class_that_only_bears_the_name_of_a_core_one_is_refused_unless_the_operator_has_added_it() -> None:
    foreign = {**CLASSES, "KSampler": replace(CLASSES["KSampler"], is_core=False)}
    assert [flaw.code for flaw in read_raw(picture_graph(), ALLOWED, foreign)[1]] == ["node_not_allowed"]
    assert read_raw(picture_graph(), RawClasses(("KSam*",)), foreign)[1] == []


@pytest.mark.parametrize(
    "name,allowed",
    [
        ("Image Blur (mtb)", True),
        ("Image", False),
        ("CR Text", True),
        ("cr Text", False),
        ("Cat", True),
        ("Cart", False),
    ],
)
def test_an_operator_adds_classes_by_pattern(name: str, allowed: bool) -> None:
    assert RawClasses(("Image *", "CR ?ext", "C?t")).has(name) is allowed


def test_a_class_that_cannot_be_read_is_not_for_raw_graphs() -> None:
    unread = {**CLASSES, "KSampler": NodeClass(unread="odd")}
    assert "unread" in [flaw.code for flaw in read_raw(picture_graph(), ALLOWED, unread)[1]]
