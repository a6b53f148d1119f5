"""What a ComfyUI offers, read from its `/object_info`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["choices", "read_catalogue"]


def read_catalogue(info: Mapping[str, Any]) -> dict[str, list[str]]:
    """Models, samplers, schedulers, LoRAs and node classes, in the server's own order."""
    return {
        "models": choices(info, "CheckpointLoaderSimple", "ckpt_name"),
        "samplers": choices(info, "KSampler", "sampler_name"),
        "schedulers": choices(info, "KSampler", "scheduler"),
        "loras": choices(info, "LoraLoader", "lora_name"),
        "node_classes": sorted(info),
    }


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
