"""Graphs that people export, held against what ComfyUI 0.33 itself takes: each was sent to a real one as well."""

from __future__ import annotations

from typing import Any

import pytest

from libs.backends.comfyui.node_class import NodeClass
from libs.workflows.definition import definition_flaws
from libs.workflows.flaw import sorted_out
from tests.fakes.comfyui_classes import classes_0_33
from tests.fakes.graphs import node
from tests.fakes.workflows import definition_of

PICTURE = node("EmptyImage", width=64, height=64, batch_size=1, color=0)
SHOWN = node("PreviewImage", images=["1", 0])


def held(graph: dict[str, Any], **more: NodeClass) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """What is surely wrong and what is in doubt."""
    _, flaws = definition_flaws(definition_of({"graph": graph}), {**classes_0_33(), **more})
    sure, doubts = sorted_out(flaws)
    return (
        [("/".join(map(str, flaw.at[1:])), flaw.code) for flaw in sure],
        [("/".join(map(str, flaw.at[1:])), flaw.code) for flaw in doubts],
    )


TAKEN: dict[str, dict[str, Any]] = {
    "inputs that grow, by names": {
        "1": node("PrimitiveInt", value=5),
        "2": node("ComfyMathExpression", **{"expression": "a * 3 + 1", "values.a": ["1", 0]}),
        "3": node("PreviewAny", source=["2", 1]),
    },
    "inputs that grow, by numbers": {
        "1": PICTURE,
        "2": node("BatchImagesNode", **{"images.image0": ["1", 0], "images.image1": ["1", 0]}),
        "3": node("PreviewImage", images=["2", 0]),
    },
    "types that match each other": {
        "1": PICTURE,
        "2": node("ComfySwitchNode", switch=True, on_false=["1", 0], on_true=["1", 0]),
        "3": node("PreviewImage", images=["2", 0]),
    },
    "inputs that a choice brings along": {
        "1": PICTURE,
        "2": node(
            "ResizeImageMaskNode",
            **{
                "input": ["1", 0],
                "resize_type": "scale dimensions",
                "resize_type.width": 64,
                "resize_type.height": 32,
                "resize_type.crop": "center",
                "scale_method": "area",
            },
        ),
        "3": node("PreviewImage", images=["2", 0]),
    },
    "choices in choices": {
        "1": PICTURE,
        "2": node("CreateVideo", images=["1", 0], fps=24),
        "3": node(
            "SaveVideo",
            **{
                "video": ["2", 0],
                "filename_prefix": "x",
                "format": "mp4",
                "format.codec": "h264",
                "format.codec.encoding": "re-encode",
                "format.codec.encoding.crf": 20.0,
                "format.codec.encoding.color_space": "auto",
            },
        ),
    },
    "inputs that a format brings along": {
        "1": PICTURE,
        "2": node(
            "VHS_VideoCombine",
            images=["1", 0],
            frame_rate=8,
            loop_count=0,
            filename_prefix="x",
            format="video/h264-mp4",
            pix_fmt="yuv420p",
            crf=19,
            save_metadata=True,
        ),
    },
    "null in a widget": {
        "1": PICTURE,
        "2": node(
            "VHS_VideoCombine",
            images=["1", 0],
            frame_rate=8,
            loop_count=0,
            filename_prefix="x",
            format="image/gif",
            audio=None,
        ),
    },
    "texts where numbers are meant, and the other way round": {
        "1": node("EmptyImage", width="64", height=64.0, batch_size=1, color=0),
        "2": node("SaveImage", images=["1", 0], filename_prefix=7),
    },
    "values in their wrapper": {
        "1": node("EmptyImage", width={"__value__": 64}, height=64, batch_size=1, color=0),
        "2": SHOWN,
    },
    "a colour and a box": {
        "1": PICTURE,
        "2": node("PreviewAny", source={"x": 0, "y": 0, "width": 8, "height": 8}),
        "3": node("PreviewImage", images=["1", 0]),
    },
    "a file in a folder below": {
        "1": node("LoadImage", image="below/clipspace.png [input]"),
        "2": SHOWN,
    },
}


@pytest.mark.parametrize("graph", TAKEN.values(), ids=TAKEN)
def test_what_comfyui_takes_is_taken_without_a_doubt(graph: dict[str, Any]) -> None:
    assert held(graph) == ([], [])


DOUBTED: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "an input that the class does not declare": (
        {"1": PICTURE, "2": node("PreviewImage", images=["1", 0], speak_and_recognation={"__value__": [False, True]})},
        [("2/inputs/speak_and_recognation", "unknown_input")],
    ),
    "a list where a text is meant": (
        {"1": PICTURE, "2": node("SaveImage", images=["1", 0], filename_prefix={"__value__": [1, 2]})},
        [("2/inputs/filename_prefix", "unknown_type")],
    ),
    "a choice that brings inputs along, and is not made": (
        {
            "1": PICTURE,
            "2": node("CreateVideo", images=["1", 0], fps=24),
            "3": node("SaveVideo", video=["2", 0], filename_prefix="x", format="auto", codec="auto"),
        },
        [("3/inputs/format.codec", "required")],
    ),
    "a node that leads to no output": (
        {"1": PICTURE, "2": SHOWN, "3": node("ImageScaleBy", image=["1", 0])},
        [("3/inputs/upscale_method", "required"), ("3/inputs/scale_by", "required")],
    ),
}


@pytest.mark.parametrize("graph,doubts", DOUBTED.values(), ids=DOUBTED)
def test_what_we_cannot_know_is_a_doubt_and_no_more(graph: dict[str, Any], doubts: list[tuple[str, str]]) -> None:
    assert held(graph) == ([], doubts)


def test_a_class_that_cannot_be_read_takes_nothing_away_but_itself() -> None:
    graph = {"1": PICTURE, "2": node("Odd", anything=["1", 0]), "3": node("PreviewImage", images=["2", 7])}
    assert held(graph, Odd=NodeClass(unread="odd")) == ([], [("2/class_type", "unread")])


WRONG: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "a link that brings another type": (
        {
            "1": PICTURE,
            "2": node("VAEDecode", samples=["1", 0], vae=["1", 0]),
            "3": node("PreviewImage", images=["2", 0]),
        },
        [("2/inputs/samples", "wrong_type"), ("2/inputs/vae", "wrong_type")],
    ),
    "an input that grows, with too few": (
        {"1": node("BatchImagesNode"), "2": SHOWN},
        [("1/inputs/images.image0", "required")],
    ),
    "a value out of its bounds, in whatever form": (
        {"1": node("EmptyImage", width="0", height=64, batch_size={"__value__": 9_999}, color=0), "2": SHOWN},
        [("1/inputs/width", "out_of_range"), ("1/inputs/batch_size", "out_of_range")],
    ),
    "a choice that is not offered": (
        {
            "1": PICTURE,
            "2": node("ImageScaleBy", image=["1", 0], upscale_method="magic", scale_by=2),
            "3": node("PreviewImage", images=["2", 0]),
        },
        [("2/inputs/upscale_method", "not_offered")],
    ),
    "a text where only a link can be": (
        {"1": PICTURE, "2": node("PreviewImage", images="1")},
        [("2/inputs/images", "wrong_type")],
    ),
}


@pytest.mark.parametrize("graph,flaws", WRONG.values(), ids=WRONG)
def test_what_is_surely_wrong_is_refused(graph: dict[str, Any], flaws: list[tuple[str, str]]) -> None:
    assert held(graph)[0] == flaws


def test_a_choice_that_a_parameter_makes_may_bring_any_of_its_inputs() -> None:
    graph = {
        "1": PICTURE,
        "2": node("CreateVideo", images=["1", 0], fps=24),
        "3": node("SaveVideo", **{"video": ["2", 0], "filename_prefix": "x", "format": "auto", "format.codec": "auto"}),
    }
    one = {
        "type": "choice",
        "name": "codec",
        "sets": [{"node": "3", "input": "format.codec"}],
        "choices": ["h264", "auto"],
    }
    body = definition_of({"graph": graph, "parameters": [one]})
    assert definition_flaws(body, classes_0_33())[1] == []
