from __future__ import annotations

import uuid
from typing import Any

from libs.backends.comfyui.run import prompt_id_of, with_prefix


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
