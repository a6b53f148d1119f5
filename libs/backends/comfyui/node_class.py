"""What a node class takes and gives, read from ComfyUI's `/object_info`. Pure.

A server may say anything of its nodes, and those that people install do. What cannot be read is left out, so that
nobody can use what we do not understand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

__all__ = ["CHOICE", "Choice", "NodeClass", "NodeInput", "read_classes", "with_choices_of"]

Choice = str | int | float | bool

#: The type of an input that takes one of several values, however the server spells it.
CHOICE: Final = "COMBO"

#: What marks an input whose value names a file in a folder of the server's.
_FILE_MARKS: Final = frozenset(
    {"animated_image_upload", "audio_upload", "file_upload", "image_folder", "image_upload", "video_upload"}
)


@dataclass(frozen=True, slots=True)
class NodeInput:
    """An input of a class.

    `types` are what it accepts, `*` anything. `choices` are the values of one that has the type CHOICE, None where the
    server does not tell them. `least` and `most` bound a number. `is_file` is of one that names a file of the server's,
    `is_picture` of one whose file is a picture that was uploaded.
    """

    types: frozenset[str]
    required: bool = True
    choices: tuple[Choice, ...] | None = None
    least: float | None = None
    most: float | None = None
    is_file: bool = False
    is_picture: bool = False

    def as_json(self) -> dict[str, Any]:
        """What is published of it; members with nothing to say take no room."""
        told = {
            "types": sorted(self.types),
            "required": self.required,
            "choices": self.choices,
            "least": self.least,
            "most": self.most,
            "is_file": self.is_file,
            "is_picture": self.is_picture,
        }
        return {name: value for name, value in told.items() if value is not None and value is not False}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> NodeInput:
        """Read what was published; members that a newer version added are ignored."""
        choices = stored.get("choices")
        return cls(
            frozenset(stored["types"]),
            stored.get("required", False),
            None if choices is None else tuple(choices),
            stored.get("least"),
            stored.get("most"),
            stored.get("is_file", False),
            stored.get("is_picture", False),
        )


@dataclass(frozen=True, slots=True)
class NodeClass:
    """A class: its inputs by name, the types of its outputs, and whether it puts something out for people."""

    inputs: Mapping[str, NodeInput] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    is_output: bool = False

    def as_json(self) -> dict[str, Any]:
        """What is published of it."""
        inputs = {name: one.as_json() for name, one in self.inputs.items()}
        return {"inputs": inputs, "outputs": self.outputs, "is_output": self.is_output}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> NodeClass:
        """Read what was published."""
        inputs = {name: NodeInput.from_json(one) for name, one in stored["inputs"].items()}
        return cls(inputs, tuple(stored["outputs"]), stored["is_output"])


def with_choices_of(one: NodeClass, other: NodeClass) -> NodeClass:
    """The class, its inputs taking what those of another server's class of the same name do besides."""
    inputs = {name: _with_choices(declared, other.inputs.get(name)) for name, declared in one.inputs.items()}
    return replace(one, inputs=inputs)


def _with_choices(one: NodeInput, other: NodeInput | None) -> NodeInput:
    if one.choices is None or other is None or other.choices is None:
        return one
    return replace(one, choices=tuple(dict.fromkeys((*one.choices, *other.choices))))


def read_classes(info: Mapping[str, Any]) -> dict[str, NodeClass]:
    """Every class that can be read, by name."""
    found = ((name, _class_of(declared)) for name, declared in info.items())
    return {name: one for name, one in found if one is not None}


def _class_of(declared: Any) -> NodeClass | None:
    try:
        inputs = dict(_inputs_of(declared["input"]))
        outputs = tuple(_output_type(one) for one in declared["output"])
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return None
    return NodeClass(inputs, outputs, bool(declared.get("output_node")))


def _inputs_of(declared: Mapping[str, Any]) -> Iterator[tuple[str, NodeInput]]:
    """The inputs that a graph may set; those called hidden are the server's own business."""
    for group in ("required", "optional"):
        for name, one in (declared.get(group) or {}).items():
            yield name, _input_of(one, required=group == "required")


def _input_of(declared: Sequence[Any], *, required: bool) -> NodeInput:
    """`["INT", {"min": 1}]`; a choice is `[[value, …], {…}]`, by newer servers `["COMBO", {"options": […]}]`."""
    kind = declared[0]
    options: Mapping[str, Any] = declared[1] if len(declared) > 1 and isinstance(declared[1], dict) else {}
    files = any(options.get(mark) for mark in _FILE_MARKS), bool(options.get("image_upload"))
    listed = kind if isinstance(kind, list) else options.get("options")
    if isinstance(kind, list) or kind == CHOICE:
        return NodeInput(frozenset({CHOICE}), required, _choices(listed), None, None, *files)
    if not isinstance(kind, str):
        raise TypeError("an input's type is no text")
    types = frozenset(part.strip() for part in kind.split(","))
    return NodeInput(types, required, None, _number(options, "min"), _number(options, "max"), *files)


def _choices(listed: object) -> tuple[Choice, ...] | None:
    if not isinstance(listed, list):
        return None
    return tuple(value for value in listed if isinstance(value, str | int | float))


def _number(options: Mapping[str, Any], name: str) -> float | None:
    value = options.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _output_type(declared: object) -> str:
    if isinstance(declared, list):
        return CHOICE
    if not isinstance(declared, str):
        raise TypeError("an output's type is no text")
    return declared
