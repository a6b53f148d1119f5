"""The node classes on offer, and what ComfyUI's validation says of a graph. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["CHECKPOINTS", "LORAS", "NODES", "OPTIONAL", "Invalid", "object_info", "validate"]

CHECKPOINTS = [
    "dreamshaper_8.safetensors",
    "sd_xl_base_1.0.safetensors",
    "v1-5-pruned-emaonly.ckpt",
    "v1-5-pruned-emaonly.safetensors",
]
LORAS = ["add_detail.safetensors", "pixel_art.safetensors"]
_SAMPLERS = ["euler", "euler_ancestral", "heun", "dpm_2", "dpmpp_2m", "dpmpp_sde", "ddim", "uni_pc", "lcm"]
_SCHEDULERS = ["normal", "karras", "exponential", "sgm_uniform", "simple", "ddim_uniform"]


def _integer(least: int, most: int) -> list[Any]:
    return ["INT", {"min": least, "max": most}]


def _number(least: float, most: float) -> list[Any]:
    return ["FLOAT", {"min": least, "max": most}]


_SIDE = _integer(16, 16_384)
_DENOISE = _number(0.0, 1.0)
_LINK_MEMBERS = 2

#: Inputs (a type, or the values to choose from) and output types of each class; the last member: is it an output node.
NODES: Mapping[str, tuple[dict[str, list[Any]], list[str], bool]] = {
    "CheckpointLoaderSimple": ({"ckpt_name": [CHECKPOINTS]}, ["MODEL", "CLIP", "VAE"], False),
    "LoraLoader": (
        {
            "model": ["MODEL"],
            "clip": ["CLIP"],
            "lora_name": [LORAS],
            "strength_model": _number(-100, 100),
            "strength_clip": _number(-100, 100),
        },
        ["MODEL", "CLIP"],
        False,
    ),
    "CLIPTextEncode": ({"text": ["STRING", {}], "clip": ["CLIP"]}, ["CONDITIONING"], False),
    "EmptyLatentImage": ({"width": _SIDE, "height": _SIDE, "batch_size": _integer(1, 4_096)}, ["LATENT"], False),
    "LoadImage": ({"image": [["example.png"], {"image_upload": True}]}, ["IMAGE", "MASK"], False),
    "VAEEncode": ({"pixels": ["IMAGE"], "vae": ["VAE"]}, ["LATENT"], False),
    "KSampler": (
        {
            "model": ["MODEL"],
            "seed": _integer(0, 2**64 - 1),
            "steps": _integer(1, 10_000),
            "cfg": _number(0.0, 100.0),
            "sampler_name": [_SAMPLERS],
            "scheduler": [_SCHEDULERS],
            "positive": ["CONDITIONING"],
            "negative": ["CONDITIONING"],
            "latent_image": ["LATENT"],
            "denoise": _DENOISE,
        },
        ["LATENT"],
        False,
    ),
    "VAEDecode": ({"samples": ["LATENT"], "vae": ["VAE"]}, ["IMAGE"], False),
    "SaveImage": ({"images": ["IMAGE"], "filename_prefix": ["STRING", {}]}, [], True),
    "PreviewImage": ({"images": ["IMAGE"]}, [], True),
    "SaveImageWebsocket": ({"images": ["IMAGE"]}, [], True),
    "SaveText": ({"text": ["STRING", {}]}, [], True),
    "EmptyAudio": ({"duration": _number(0.0, 60.0)}, ["AUDIO"], False),
    "SaveAudio": ({"audio": ["AUDIO"], "filename_prefix": ["STRING", {}]}, [], True),
    "PreviewAny": ({"source": ["*", {}]}, [], True),
    "ImageInvert": ({"image": ["IMAGE"]}, ["IMAGE"], False),
    "ImageScaleBy": (
        {"image": ["IMAGE"], "upscale_method": [["nearest-exact", "bilinear"]], "scale_by": _number(0.01, 8.0)},
        ["IMAGE"],
        False,
    ),
    "RepeatLatentBatch": ({"samples": ["LATENT"], "amount": _integer(1, 64)}, ["LATENT"], False),
    "PrimitiveInt": ({"value": _integer(-(2**63), 2**63 - 1)}, ["INT"], False),
    "PrimitiveString": ({"value": ["STRING", {}]}, ["STRING"], False),
    "PrimitiveBoolean": ({"value": ["BOOLEAN", {}]}, ["BOOLEAN"], False),
}

#: Inputs that may be left out.
OPTIONAL: Mapping[str, dict[str, list[Any]]] = {
    "VAEDecode": {"tile_overlap": _integer(0, 4_096)},
    "SaveImage": {"embed_workflow": ["BOOLEAN", {"default": True}]},
}


@dataclass(frozen=True, slots=True)
class Invalid:
    """Why a graph is not accepted, in ComfyUI's words."""

    error: dict[str, Any]
    node_errors: dict[str, Any]


def object_info(node_class: str | None = None, *, combo: bool = False) -> dict[str, Any]:
    """What `/object_info` tells; `combo` spells choices as newer releases do."""
    names = NODES if node_class is None else {node_class} & NODES.keys()
    return {name: _info(name, combo=combo) for name in names}


def _info(name: str, *, combo: bool) -> dict[str, Any]:
    inputs, outputs, is_output = NODES[name]
    return {
        "input": {
            "required": {member: _declared(one, combo=combo) for member, one in inputs.items()},
            "optional": {member: _declared(one, combo=combo) for member, one in OPTIONAL.get(name, {}).items()},
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"} if is_output else {},
        },
        "output": outputs,
        "output_node": is_output,
        "name": name,
        "category": "stand-in",
    }


def _declared(one: list[Any], *, combo: bool) -> list[Any]:
    if not (combo and isinstance(one[0], list)):
        return one
    return ["COMBO", {"options": one[0], **(one[1] if len(one) > 1 else {})}]


def validate(graph: Any) -> Invalid | None:
    """What is wrong with a graph; None when nothing is."""
    if not isinstance(graph, dict) or not graph:
        return _invalid("prompt_no_outputs", "Prompt has no outputs")
    for node, body in graph.items():
        name = body.get("class_type") if isinstance(body, dict) else None
        if name not in NODES or not isinstance(body.get("inputs"), dict):
            return _invalid(
                "invalid_prompt", f"Cannot execute because node {name} does not exist.", f"Node ID '#{node}'"
            )
    if not any(NODES[body["class_type"]][2] for body in graph.values()):
        return _invalid("prompt_no_outputs", "Prompt has no outputs")
    wrong = {node: errors for node, body in graph.items() if (errors := _errors(graph, body))}
    if not wrong:
        return _invalid("invalid_prompt", "The graph has a loop") if _has_loop(graph) else None
    return _invalid_nodes(graph, wrong)


def _invalid_nodes(graph: Mapping[str, Any], wrong: Mapping[str, list[dict[str, Any]]]) -> Invalid:
    savers = [node for node, body in graph.items() if NODES[body["class_type"]][2]]
    node_errors = {
        node: {"errors": errors, "dependent_outputs": savers, "class_type": graph[node]["class_type"]}
        for node, errors in wrong.items()
    }
    general = _invalid("prompt_outputs_failed_validation", "Prompt outputs failed validation")
    return Invalid(general.error, node_errors)


def _errors(graph: Mapping[str, Any], body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Inputs that the class does not have are let pass, as ComfyUI does."""
    found = []
    given, required = body.get("inputs", {}), NODES[body["class_type"]][0]
    for name, declared in {**required, **OPTIONAL.get(body["class_type"], {})}.items():
        if name not in given:
            if name in required:
                found.append(_error("required_input_missing", "Required input is missing", name))
        elif error := _value_error(graph, name, declared, given[name]):
            found.append(error)
    return found


def _value_error(graph: Mapping[str, Any], name: str, declared: list[Any], value: Any) -> dict[str, Any] | None:
    if isinstance(value, list):
        return _link_error(graph, name, declared, value)
    if isinstance(declared[0], list):
        if value in declared[0] or declared[-1] == {"image_upload": True}:
            return None
        return _error("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {declared[0]}")
    return _bounds_error(name, declared, value)


def _link_error(graph: Mapping[str, Any], name: str, declared: list[Any], value: list[Any]) -> dict[str, Any] | None:
    if not (len(value) == _LINK_MEMBERS and isinstance(value[0], str) and value[0] in graph):
        return _error("bad_linked_input", "Bad linked input", name)
    brought = NODES[graph[value[0]]["class_type"]][1]
    if not 0 <= value[1] < len(brought):
        return _error("exception_during_inner_validation", "Exception when validating inner node", name)
    wanted = "COMBO" if isinstance(declared[0], list) else declared[0]
    if "*" in (brought[value[1]], wanted) or brought[value[1]] == wanted:
        return None
    return _error("return_type_mismatch", "Return type mismatch between linked nodes", name)


def _bounds_error(name: str, declared: list[Any], value: Any) -> dict[str, Any] | None:
    bounds = declared[1] if len(declared) > 1 else {}
    if "max" in bounds and not isinstance(value, int | float):
        return _error("invalid_input_type", f"Failed to convert an input value to a {declared[0]} value", name)
    if "max" in bounds and value > bounds["max"]:
        return _error("value_bigger_than_max", f"Value {value} bigger than max of {bounds['max']}", name)
    if "min" in bounds and value < bounds["min"]:
        return _error("value_smaller_than_min", f"Value {value} smaller than min of {bounds['min']}", name)
    return None


def _has_loop(graph: Mapping[str, Any]) -> bool:
    """Take away nodes that read from no node that is left, until none can be taken."""
    left = {
        node: {given[0] for given in body["inputs"].values() if isinstance(given, list)} for node, body in graph.items()
    }
    while free := [node for node, reads in left.items() if not reads & left.keys()]:
        for node in free:
            del left[node]
    return bool(left)


def _error(kind: str, message: str, details: str) -> dict[str, Any]:
    return {"type": kind, "message": message, "details": details, "extra_info": {}}


def _invalid(kind: str, message: str, details: str = "") -> Invalid:
    return Invalid(_error(kind, message, details), {})
