"""What a ComfyUI offers, read from its node classes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from libs.backends.comfyui.node_class import NodeClass

__all__ = ["choices", "read_catalogue"]


def read_catalogue(classes: Mapping[str, NodeClass]) -> dict[str, list[str]]:
    """Models, samplers, schedulers, LoRAs and node classes, in the server's own order."""
    return {
        "models": _texts(classes, "CheckpointLoaderSimple", "ckpt_name"),
        "samplers": _texts(classes, "KSampler", "sampler_name"),
        "schedulers": _texts(classes, "KSampler", "scheduler"),
        "loras": _texts(classes, "LoraLoader", "lora_name"),
        "node_classes": sorted(classes),
    }


def _texts(classes: Mapping[str, NodeClass], node_class: str, name: str) -> list[str]:
    declared = classes.get(node_class, NodeClass()).inputs.get(name)
    return [value for value in (declared.choices if declared else None) or () if isinstance(value, str)]


def choices(info: Mapping[str, Any], node_class: str, name: str) -> list[str]:
    """The values that an input of a node class may take; [] where that is not told.

    An input is declared as `[[value, …], {…}]`, by newer servers as `["COMBO", {"options": [value, …]}]`.
    """
    try:
        declared = info[node_class]["input"]["required"][name]
        listed = declared[0] if isinstance(declared[0], list) else declared[1]["options"]
    except (KeyError, IndexError, TypeError):
        return []
    return [value for value in listed if isinstance(value, str)] if isinstance(listed, list) else []
