"""Workflows as the editor saves them, and the graph that its own export would write of each."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.backends.comfyui.schema import read_classes
from libs.workflows.definition import definition_flaws
from libs.workflows.editor import NotAWorkflowError, classes_in, converted_workflow
from tests.fakes.comfyui_classes import VIDEO_COMBINE, object_info_0_33
from tests.fakes.workflows import definition_of

INFO = {**object_info_0_33(), "VHS_VideoCombine": VIDEO_COMBINE}


def saved(*nodes: dict[str, Any], links: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"nodes": list(nodes), "links": links or [], **more}


def node(number: int, kind: str, values: Any = None, *, mode: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": number, "type": kind, "mode": mode, "inputs": [], "outputs": [], "widgets_values": values, **more}


def port(name: str, kind: str = "IMAGE", link: int | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "link": link, **more}


def widget(name: str, kind: str, link: int | None = None) -> dict[str, Any]:
    return port(name, kind, link, widget={"name": name})


def inputs_of(workflow: Any, name: str) -> Any:
    return converted_workflow(workflow, INFO)[name]["inputs"]


EMPTY = node(1, "EmptyImage", [64, 32, 2, 255], outputs=[port("IMAGE")])


def shown(link: int, number: int = 9) -> dict[str, Any]:
    return node(number, "PreviewImage", inputs=[port("images", link=link)])


def test_values_are_whose_the_order_of_the_class_says_and_a_seeds_control_is_nobodys() -> None:
    sampler = node(3, "KSampler", [7, "randomize", 20, 8.0, "euler", "normal", 1.0])
    assert inputs_of(saved(sampler), "3") == {
        "seed": 7,
        "steps": 20,
        "cfg": 8.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
    }


def test_what_a_choice_brings_along_follows_it_and_what_was_not_there_yet_has_its_default() -> None:
    resized = node(2, "ResizeImageMaskNode", ["scale dimensions", 512, 256, "center", "area"])
    assert inputs_of(saved(resized), "2") == {
        "resize_type": "scale dimensions",
        "resize_type.width": 512,
        "resize_type.height": 256,
        "resize_type.crop": "center",
        "scale_method": "area",
    }
    scaled = node(2, "ImageScaleToTotalPixels", ["lanczos", 1.0])
    assert inputs_of(saved(scaled), "2") == {"upscale_method": "lanczos", "megapixels": 1.0, "resolution_steps": 1}


def test_values_by_name_and_lists_in_their_wrapper() -> None:
    combined = node(2, "VHS_VideoCombine", {"format": "image/gif", "frame_rate": 8, "videopreview": {"x": 1}})
    assert inputs_of(saved(combined), "2") == {"format": "image/gif", "frame_rate": 8}
    unknown = node(2, "Nobody", [[1, 2], "x"], inputs=[widget("list", "X"), widget("text", "STRING")])
    assert inputs_of(saved(unknown), "2") == {"list": {"__value__": [1, 2]}, "text": "x"}


def test_links_go_through_reroutes_and_primitives_and_a_linked_widget_is_a_link() -> None:
    workflow = saved(
        {**EMPTY, "inputs": [widget("width", "INT", 5)]},
        node(2, "Reroute", inputs=[port("", "*", 1)], outputs=[port("", "IMAGE")]),
        node(3, "PrimitiveNode", [96, "fixed"], outputs=[port("INT", "INT")]),
        node(4, "PrimitiveInt", [128, "fixed"], outputs=[port("INT", "INT")]),
        {**node(5, "EmptyImage", [1, 1, 1, 0]), "inputs": [widget("height", "INT", 3)]},
        shown(2),
        links=[[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 9, 0, "IMAGE"], [5, 3, 0, 1, 0, "INT"], [3, 4, 0, 5, 0, "INT"]],
    )
    graph = converted_workflow(workflow, INFO)
    assert set(graph) == {"1", "4", "5", "9"}
    assert graph["9"]["inputs"] == {"images": ["1", 0]}
    assert graph["1"]["inputs"]["width"] == 96
    assert graph["5"]["inputs"]["height"] == ["4", 0]


@pytest.mark.parametrize("mode,left", [(0, {"image": ["1", 0]}), (4, None), (2, None)])
def test_a_bypassed_node_hands_on_what_it_is_given_and_a_muted_one_nothing(mode: int, left: Any) -> None:
    workflow = saved(
        EMPTY,
        node(2, "ImageInvert", mode=mode, inputs=[port("image", link=1)], outputs=[port("IMAGE")]),
        shown(2),
        links=[[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 9, 0, "IMAGE"]],
    )
    graph = converted_workflow(workflow, INFO)
    assert graph.get("2", {}).get("inputs") == left
    assert graph["9"]["inputs"] == {0: {"images": ["2", 0]}, 4: {"images": ["1", 0]}, 2: {}}[mode]


def subgraph(**instance: Any) -> dict[str, Any]:
    """A picture whose width and colour are told outside, inverted within."""
    inner = {
        "id": "abc",
        "nodes": [
            {**EMPTY, "inputs": [widget("width", "INT", 1), widget("color", "INT", 2)]},
            node(2, "ImageInvert", inputs=[port("image", link=3)], outputs=[port("IMAGE")]),
            node(3, "PreviewAny", inputs=[port("source", "*", 5)]),
        ],
        "links": [
            {"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 1, "target_slot": 0},
            {"id": 2, "origin_id": -10, "origin_slot": 1, "target_id": 1, "target_slot": 1},
            {"id": 3, "origin_id": 1, "origin_slot": 0, "target_id": 2, "target_slot": 0},
            {"id": 4, "origin_id": 2, "origin_slot": 0, "target_id": -20, "target_slot": 0},
            {"id": 5, "origin_id": -10, "origin_slot": 0, "target_id": 3, "target_slot": 0},
        ],
        "inputs": [{"name": "width"}, {"name": "color"}],
        "outputs": [{"name": "IMAGE"}],
    }
    outer = (
        node(7, "abc", outputs=[port("IMAGE")])
        | {"inputs": [widget("width", "INT"), widget("color", "INT")]}
        | instance
    )
    links = [[1, 7, 0, 9, 0, "IMAGE"], [2, 8, 0, 7, 0, "INT"]]
    given = node(8, "PrimitiveInt", [512, "fixed"], outputs=[port("INT", "INT")])
    return saved(outer, given, shown(1), links=links, definitions={"subgraphs": [inner]})


@pytest.mark.parametrize(
    "instance,width,color",
    [
        ({}, 64, 255),
        ({"widgets_values": [96, 7]}, 96, 7),
        ({"widgets_values": [7], "properties": {"proxyWidgets": [["1", "color"]]}}, 64, 7),
        ({"widgets_values": [96], "properties": {"proxyWidgets": [["-1", "width"]]}}, 96, 255),
        ({"inputs": [widget("width", "INT", 2), widget("color", "INT")], "widgets_values": [1, 7]}, ["8", 0], 7),
    ],
)
def test_a_subgraph_is_unfolded_with_what_is_told_outside(instance: Any, width: Any, color: int) -> None:
    graph = converted_workflow(subgraph(**instance), INFO)
    assert set(graph) == {"7:1", "7:2", "7:3", "8", "9"}
    assert (graph["7:1"]["inputs"]["width"], graph["7:1"]["inputs"]["color"]) == (width, color)
    assert graph["7:3"]["inputs"]["source"] == width
    assert graph["9"]["inputs"] == {"images": ["7:2", 0]}
    assert definition_flaws(definition_of({"graph": graph}), read_classes(INFO))[1] == []


@pytest.mark.parametrize("mode", [2, 4])
def test_a_subgraph_that_is_muted_or_bypassed_leaves_nothing_of_itself(mode: int) -> None:
    graph = converted_workflow(subgraph(mode=mode), INFO)
    assert set(graph) == {"8", "9"}
    assert graph["9"]["inputs"] == {}


def test_notes_are_left_out_titles_are_kept_and_the_classes_are_told() -> None:
    workflow = saved({**EMPTY, "title": "A canvas"}, node(2, "MarkdownNote", ["hello"]))
    assert converted_workflow(workflow, INFO)["1"]["_meta"] == {"title": "A canvas"}
    assert classes_in(subgraph()) == {"EmptyImage", "ImageInvert", "PreviewAny", "PrimitiveInt", "PreviewImage", "abc"}


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers(-20, 3) | st.sampled_from(["abc", "EmptyImage", "1"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["nodes", "links", "id", "type", "inputs", "link", "widgets_values"]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_what_is_no_workflow_is_said_to_be_none(garbage: Any) -> None:
    for found in (garbage, {"nodes": [garbage]}, {"nodes": [EMPTY], "links": garbage}):
        try:
            graph = converted_workflow(found, INFO)
        except NotAWorkflowError:
            continue
        assert isinstance(graph, dict)


def test_a_subgraph_that_holds_itself_is_refused() -> None:
    loop = {"id": "abc", "nodes": [node(1, "abc")], "links": [], "inputs": [], "outputs": []}
    with pytest.raises(NotAWorkflowError):
        converted_workflow(saved(node(1, "abc"), definitions={"subgraphs": [loop]}), INFO)
