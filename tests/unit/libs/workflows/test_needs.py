from __future__ import annotations

from typing import Any

from libs.backends.comfyui.schema import read_classes
from libs.backends.fleet.needs import Needs, offered_digests
from libs.embedded.comfyui_standin.nodes import object_info
from libs.workflows.needs import needs_of

GRAPH: dict[str, Any] = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "dreamshaper_8.safetensors"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a file.ckpt in the text", "clip": ["1", 1]}},
    "3": {"class_type": "LoadImage", "inputs": {"image": "upload_1.png"}},
}
CLASSES = {"CheckpointLoaderSimple", "CLIPTextEncode", "LoadImage"}


def test_a_graph_needs_its_classes_and_its_models_and_neither_texts_nor_pictures() -> None:
    info = object_info()
    found = needs_of(GRAPH, read_classes(info))
    assert found == Needs.of(node_classes=CLASSES, files=["dreamshaper_8.safetensors"])
    assert set(found.digests) <= offered_digests(read_classes(info))


def test_of_classes_that_nobody_told_no_file_is_needed() -> None:
    assert needs_of(GRAPH, None) == Needs.of(node_classes=CLASSES)
