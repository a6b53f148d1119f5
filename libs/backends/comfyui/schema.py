"""Reading node classes from ComfyUI's `/object_info`, in both generations of its schema. Pure.

A server may say anything of its nodes, and those that people install do. A class that cannot be read is told as such,
so that it takes nothing away but itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from libs.backends.comfyui.node_class import NodeClass
from libs.backends.comfyui.node_input import CHOICE, Choice, NodeInput, all_inputs

__all__ = ["INPUTS_MAX", "UNREADABLE", "read_class", "read_classes"]

#: Why a class cannot be used.
UNREADABLE: Final = "its declaration is not understood"
#: Inputs that one class may come to, those that choices bring along among them.
INPUTS_MAX: Final = 4_000

_DEPTH_MAX: Final = 8
_GROWS, _DYNAMIC, _MATCH, _SLOT = (
    "COMFY_AUTOGROW_V3",
    "COMFY_DYNAMICCOMBO_V3",
    "COMFY_MATCHTYPE_V3",
    "COMFY_DYNAMICSLOT_V3",
)
_ANYTHING: Final = "*"
#: Bounds beyond these are told as floats: JSON's readers do not all keep larger integers.
_EXACT: Final = (-(2**63), 2**64 - 1)

#: What marks an input whose value names a file in a folder of the server's.
_FILE_MARKS: Final = frozenset(
    {"animated_image_upload", "audio_upload", "file_upload", "image_folder", "image_upload", "video_upload"}
)
#: Types whose literals name such files: what the editor's camera, microphone and 3-D view have saved.
_FILE_TYPES: Final = frozenset({"AUDIO_RECORD", "LOAD_3D", "LOAD_3D_ANIMATION", "WEBCAM"})
#: Where the classes of ComfyUI itself come from, beside those that ask providers.
_CORE_MODULES: Final = ("nodes", "comfy_extras")


def read_classes(info: Mapping[str, Any]) -> dict[str, NodeClass]:
    """Every class, by name; those that cannot be read say so."""
    return {name: read_class(declared) for name, declared in info.items()}


def read_class(declared: Any) -> NodeClass:
    """A class; `unread` where it cannot be read."""
    try:
        inputs = _members(declared["input"], "", _DEPTH_MAX)
        outputs = tuple(_output_type(one) for one in declared["output"])
        if sum(1 for _ in zip(all_inputs(inputs), range(INPUTS_MAX + 1), strict=False)) > INPUTS_MAX:
            return NodeClass(unread="it has too many inputs")
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError):
        return NodeClass(unread=UNREADABLE)
    return NodeClass(inputs, outputs, bool(declared.get("output_node")), _is_core(declared))


def _is_core(declared: Mapping[str, Any]) -> bool:
    """Whether it comes with ComfyUI and asks nobody else. A server that does not say where it is from is believed."""
    module = declared.get("python_module", _CORE_MODULES[0])
    return not declared.get("api_node") and str(module).partition(".")[0] in _CORE_MODULES


def _members(declared: Mapping[str, Any], prefix: str, depth: int) -> dict[str, NodeInput]:
    """The inputs that a graph may set; those called hidden are the server's own business."""
    if depth == 0:
        raise ValueError("inputs lie in inputs too deep")
    found: dict[str, NodeInput] = {}
    for group in ("required", "optional"):
        for name, one in (declared.get(group) or {}).items():
            found |= _inputs_of(f"{prefix}{name}", one, depth, required=group == "required")
    return found


def _inputs_of(name: str, one: Sequence[Any], depth: int, *, required: bool) -> Iterator[tuple[str, NodeInput]]:
    """What stands under one name: an input, or as many as there may be of one that grows."""
    kind, options = one[0], _options(one)
    if kind == _GROWS:
        yield from _grown(name, options["template"])
    elif kind == _SLOT:
        yield name, NodeInput(_types(options.get("slotType", _ANYTHING)), required=False)
        for inner, brought in _members(options.get("inputs") or {}, f"{name}.", depth - 1).items():
            yield inner, _optional(brought)
    elif kind == _DYNAMIC:
        chosen = {
            str(option["key"]): _members(option["inputs"], f"{name}.", depth - 1) for option in options["options"]
        }
        yield name, NodeInput(frozenset({CHOICE}), required, tuple(chosen), is_dynamic=True, dependent=chosen)
    else:
        yield name, _input_of(kind, options, required=required)


def _grown(name: str, template: Mapping[str, Any]) -> Iterator[tuple[str, NodeInput]]:
    """All the inputs that there may be: as many as must are required, unless what they are made from is not."""
    names = template.get("names") or [f"{template['prefix']}{number}" for number in range(int(template["max"]))]
    for group, declared in template["input"].items():
        for one in declared.values():
            kind, options = one[0], _options(one)
            for number, inner in enumerate(names[:INPUTS_MAX]):
                needed = group == "required" and number < int(template["min"])
                yield f"{name}.{inner}", _input_of(kind, options, required=needed)
            return


def _input_of(kind: Any, options: Mapping[str, Any], *, required: bool) -> NodeInput:
    """`["INT", {"min": 1}]`; a choice is `[[value, …], {…}]`, by newer servers `["COMBO", {"options": […]}]`."""
    is_file = any(options.get(mark) for mark in _FILE_MARKS)
    is_picture = bool(options.get("image_upload"))
    if isinstance(kind, list) or kind == CHOICE:
        listed = None if is_file else _choices(kind if isinstance(kind, list) else options.get("options"))
        many = bool(options.get("multiselect"))
        brought = _by_format(options.get("formats"))
        return NodeInput(
            frozenset({CHOICE}),
            required,
            listed,
            is_file=is_file,
            is_picture=is_picture,
            many=many,
            dependent=brought,
        )
    types = _types(options["template"]["allowed_types"] if kind == _MATCH and "template" in options else kind)
    is_file = is_file or not types.isdisjoint(_FILE_TYPES)
    return NodeInput(types, required, None, _number(options, "min"), _number(options, "max"), is_file, is_picture)


def _by_format(formats: object) -> dict[str, dict[str, NodeInput]]:
    """VideoHelperSuite's: `{format: [[name, type, options], …]}`, of inputs beside the choice that may be left out."""
    if not isinstance(formats, dict):
        return {}
    return {
        str(choice): {str(one[0]): _input_of(one[1], _options(one[1:]), required=False) for one in listed}
        for choice, listed in formats.items()
    }


def _optional(one: NodeInput) -> NodeInput:
    return replace(one, required=False)


def _options(declared: Sequence[Any]) -> Mapping[str, Any]:
    return declared[1] if len(declared) > 1 and isinstance(declared[1], dict) else {}


def _types(kind: object) -> frozenset[str]:
    if not isinstance(kind, str):
        raise TypeError("an input's type is no text")
    found = frozenset(part.strip() for part in kind.split(","))
    return frozenset({_ANYTHING}) if _MATCH in found else found


def _choices(listed: object) -> tuple[Choice, ...] | None:
    if not isinstance(listed, list):
        return None
    return tuple(value for value in listed if isinstance(value, str | int | float))


def _number(options: Mapping[str, Any], name: str) -> float | None:
    value = options.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value if _EXACT[0] <= value <= _EXACT[1] else float(value)


def _output_type(declared: object) -> str:
    if isinstance(declared, list):
        return CHOICE
    if not isinstance(declared, str):
        raise TypeError("an output's type is no text")
    return _ANYTHING if declared == _MATCH else declared
