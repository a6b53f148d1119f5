"""A stand-in that has some of the checkpoints only: what it then tells of them, and refuses. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["refuse_missing", "with_checkpoints"]

_LOADER, _INPUT = "CheckpointLoaderSimple", "ckpt_name"


def with_checkpoints(info: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The answer of `/object_info` with these checkpoints in place of all."""
    if _LOADER not in info:
        return dict(info)
    loader = info[_LOADER]
    declared = loader["input"]["required"][_INPUT]
    told = [list(names)] if isinstance(declared[0], list) else [declared[0], {**declared[1], "options": list(names)}]
    required = {**loader["input"]["required"], _INPUT: told}
    return {**info, _LOADER: {**loader, "input": {**loader["input"], "required": required}}}


def refuse_missing(graph: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """What `node_errors` says of a valid graph that loads another checkpoint; empty when it loads none."""
    return {
        node: {"errors": [_not_in_list(wanted)], "dependent_outputs": [], "class_type": _LOADER}
        for node, body in graph.items()
        if body["class_type"] == _LOADER and (wanted := body["inputs"][_INPUT]) not in names
    }


def _not_in_list(wanted: object) -> dict[str, Any]:
    details = f"{_INPUT}: '{wanted}' not in list"
    return {"type": "value_not_in_list", "message": "Value not in list", "details": details, "extra_info": {}}
