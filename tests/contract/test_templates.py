"""The workflows that come with ComfyUI 0.33, made into graphs and held against what its nodes take.

A real server's validation is the other half, and said of in docs/explanation/comfyui.md.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

import orjson
import pytest

from libs.workflows.definition import Definition, definition_flaws
from libs.workflows.editor import converted_workflow
from libs.workflows.flaw import Flaw
from tests.fakes.comfyui_classes import classes_0_33, object_info_0_33

#: Each with why: what its server had not, or a node that leads to no output and misses an input.
KNOWN = {
    "basic_image_color_adjustment": "unknown_class",
    "image_anima_lllite_image_inpainting": "required",
    "video_minimax_h3_i2v": "required",
    "video_wan_vace_inpainting": "required",
}
MODELS = (".safetensors", ".pth", ".pt", ".ckpt", ".gguf", ".sft", ".onnx", ".task")


def graphs() -> dict[str, Any]:
    """The local ones: what asks a provider is another matter."""
    found = {}
    for file in resources.files("comfyui_workflow_templates_json").joinpath("templates").iterdir():
        saved = orjson.loads(file.read_bytes()) if file.name.endswith(".json") else None
        if isinstance(saved, dict) and "nodes" in saved:
            graph = converted_workflow(saved, object_info_0_33())
            if graph and not any(is_remote(body["class_type"]) for body in graph.values()):
                found[file.name.removesuffix(".json")] = graph
    return found


def is_remote(class_type: str) -> bool:
    return bool(object_info_0_33().get(class_type, {}).get("api_node"))


def is_about_a_missing_model(flaw: Flaw, graph: Any) -> bool:
    """The server that the classes are from has no models at all."""
    value = graph[flaw.at[1]]["inputs"].get(flaw.at[3]) if len(flaw.at) > 3 else None
    return flaw.code == "not_offered" and (str(value).endswith(MODELS) or "offers nothing" in flaw.detail)


@pytest.fixture(scope="module")
def doubted() -> dict[str, set[str]]:
    found = {}
    for name, graph in graphs().items():
        flaws = definition_flaws(Definition(graph=graph), classes_0_33())[1]
        found[name] = {flaw.code for flaw in flaws if not is_about_a_missing_model(flaw, graph)}
    return found


def test_our_check_doubts_nothing_in_98_of_100_templates(doubted: dict[str, set[str]]) -> None:
    assert len(doubted) == 222
    wrong = {name: codes for name, codes in doubted.items() if codes}
    assert wrong == {name: {code} for name, code in KNOWN.items()}
    assert 1 - len(wrong) / len(doubted) >= 0.98
