from __future__ import annotations

from typing import Any

import pytest

from libs.backends.comfyui.catalogue import choices, read_catalogue
from libs.backends.comfyui.schema import read_classes
from libs.embedded.comfyui_standin.nodes import CHECKPOINTS, object_info


@pytest.mark.parametrize("combo", [False, True])
def test_both_spellings_of_choices_are_read(combo: bool) -> None:
    catalogue = read_catalogue(read_classes(object_info(combo=combo)))
    assert catalogue["models"] == CHECKPOINTS
    assert "euler_ancestral" in catalogue["samplers"]
    assert "normal" in catalogue["schedulers"]
    assert catalogue["loras"]
    assert "SaveImage" in catalogue["node_classes"]


def test_what_is_not_told_is_empty() -> None:
    assert read_catalogue({}) == {"models": [], "samplers": [], "schedulers": [], "loras": [], "node_classes": []}


@pytest.mark.parametrize("declared", [7, [], ["COMBO"], ["COMBO", {}], ["COMBO", {"options": 7}], [[7, None]], "text"])
def test_garbage_is_no_choice(declared: Any) -> None:
    assert choices({"A": {"input": {"required": {"b": declared}}}}, "A", "b") == []
