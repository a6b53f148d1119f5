"""What an input of a node class takes. Pure.

Three kinds of inputs take other inputs with them. One that grows (`COMFY_AUTOGROW_V3`) is read as all the inputs that
there can be of it, named `images.image0`, `images.image1` and so on. One whose inputs depend on its choice
(`COMFY_DYNAMICCOMBO_V3`, and VideoHelperSuite's formats) keeps them by choice, under the names that a graph gives them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

import orjson

__all__ = ["CHOICE", "Choice", "Lists", "NodeInput", "all_inputs", "plain", "with_choices", "with_shared"]

Choice: TypeAlias = str | int | float | bool

#: The type of an input that takes one of several values, however the server spells it.
CHOICE: Final = "COMBO"

#: Long lists of choices by their digest: every class that loads LoRAs lists the same thousands of them.
Lists: TypeAlias = Mapping[str, tuple[Choice, ...]]

#: Lists of more choices than this are kept apart from the class.
_SHORT_MAX: Final = 32
_VALUE: Final = "__value__"


@dataclass(frozen=True, slots=True)
class NodeInput:
    """An input of a class.

    `types` are what it accepts, `*` anything. `choices` are the values of one that has the type CHOICE, None where the
    server does not tell them; with `many` a list of them may be chosen. `least` and `most` bound a number. `is_file` is
    of one that names a file of the server's, `is_picture` of one whose file is a picture that was uploaded. `dependent`
    are the inputs that a choice brings along, by that choice. `is_dynamic` is of a choice that ComfyUI leaves out,
    rather than miss it, where a graph does not make it.
    """

    types: frozenset[str]
    required: bool = True
    choices: tuple[Choice, ...] | None = None
    least: float | None = None
    most: float | None = None
    is_file: bool = False
    is_picture: bool = False
    many: bool = False
    is_dynamic: bool = False
    dependent: Mapping[str, Mapping[str, NodeInput]] = field(default_factory=dict)

    def as_json(self, lists: MutableMapping[str, tuple[Choice, ...]]) -> dict[str, Any]:
        """What is published of it, long lists of choices into `lists`; members with nothing to say take no room."""
        told: dict[str, Any] = {
            "types": sorted(self.types),
            "required": self.required,
            "least": self.least,
            "most": self.most,
            "is_file": self.is_file,
            "is_picture": self.is_picture,
            "many": self.many,
            "is_dynamic": self.is_dynamic,
        }
        if self.choices is not None:
            told |= _told_choices(self.choices, lists)
        if self.dependent:
            told["dependent"] = {
                choice: {name: one.as_json(lists) for name, one in inputs.items()}
                for choice, inputs in self.dependent.items()
            }
        return {name: value for name, value in told.items() if value is not None and value is not False}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], lists: Lists) -> NodeInput:
        """Read what was published; members that a newer version added are ignored, lists that are gone not known."""
        choices = lists.get(stored["list"]) if "list" in stored else stored.get("choices")
        dependent = {
            choice: {name: cls.from_json(one, lists) for name, one in inputs.items()}
            for choice, inputs in stored.get("dependent", {}).items()
        }
        return cls(
            frozenset(stored["types"]),
            stored.get("required", False),
            None if choices is None else tuple(choices),
            stored.get("least"),
            stored.get("most"),
            stored.get("is_file", False),
            stored.get("is_picture", False),
            stored.get("many", False),
            stored.get("is_dynamic", False),
            dependent,
        )


def plain(value: Any) -> Any:
    """A literal without the wrapper that a graph puts around a list, so that it is not taken for a link."""
    return value[_VALUE] if isinstance(value, dict) and _VALUE in value else value


def all_inputs(inputs: Mapping[str, NodeInput]) -> Iterator[tuple[str, NodeInput]]:
    """These inputs, and all that any choice may bring along."""
    for name, one in inputs.items():
        yield name, one
        for brought in one.dependent.values():
            yield from all_inputs(brought)


def with_choices(one: NodeInput, other: NodeInput | None) -> NodeInput:
    """The input, taking what that of another server's class does besides."""
    if other is None:
        return one
    dependent = {
        choice: {name: with_choices(mine, other.dependent.get(choice, {}).get(name)) for name, mine in inputs.items()}
        for choice, inputs in one.dependent.items()
    }
    choices = one.choices
    if choices is not None and other.choices is not None and choices != other.choices:
        choices = tuple(dict.fromkeys((*choices, *other.choices)))
    return replace(one, choices=choices, dependent={**other.dependent, **dependent})


def with_shared(one: NodeInput, known: MutableMapping[tuple[Choice, ...], tuple[Choice, ...]]) -> NodeInput:
    """The input, whose long list of choices is the same object as every other that equals it."""
    choices = one.choices
    if choices is not None and len(choices) > _SHORT_MAX:
        choices = known.setdefault(choices, choices)
    if choices is one.choices and not one.dependent:
        return one
    dependent = {
        choice: {name: with_shared(inner, known) for name, inner in inputs.items()}
        for choice, inputs in one.dependent.items()
    }
    return replace(one, choices=choices, dependent=dependent)


def _told_choices(choices: tuple[Choice, ...], lists: MutableMapping[str, tuple[Choice, ...]]) -> dict[str, Any]:
    if len(choices) <= _SHORT_MAX:
        return {"choices": choices}
    digest = hashlib.sha256(orjson.dumps(choices)).hexdigest()[:32]
    lists[digest] = choices
    return {"list": digest}
