from __future__ import annotations

import uuid
from typing import Any

from libs.backends.comfyui.rewriting import with_inputs, with_prefix
from libs.backends.comfyui.run import prompt_id_of


def test_a_prompt_id_is_a_canonical_uuid_and_the_same_everywhere() -> None:
    made = prompt_id_of("job_a", 1)
    assert str(uuid.UUID(made)) == made
    assert made == prompt_id_of("job_a", 1)
    assert len({made, prompt_id_of("job_a", 2), prompt_id_of("job_b", 1)}) == 3


def test_every_file_name_prefix_is_replaced_and_nothing_else() -> None:
    graph: dict[str, dict[str, Any]] = {
        "1": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "../mine"}},
        "2": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0]}},
        "3": {"class_type": "Odd"},
    }
    changed = with_prefix(graph, "arqade/x")
    assert changed["1"]["inputs"] == {"images": ["2", 0], "filename_prefix": "arqade/x"}
    assert (changed["2"], changed["3"]) == (graph["2"], graph["3"])
    assert graph["1"]["inputs"]["filename_prefix"] == "../mine"


def test_an_input_that_is_exactly_the_name_of_an_upload_is_replaced_and_no_other() -> None:
    graph: dict[str, dict[str, Any]] = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "upload_1.png"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "see upload_1.png", "clip": ["3", 1], "n": 1}},
    }
    changed = with_inputs(graph, {"upload_1.png": "arqade/x-0.png"})
    assert changed["1"]["inputs"] == {"image": "arqade/x-0.png"}
    assert changed["2"] == graph["2"]
    assert graph["1"]["inputs"] == {"image": "upload_1.png"}
    assert with_inputs(graph, {}) is graph
