"""What a node class takes and gives, as a graph is held against it. Pure; `schema` reads it from what a server says."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

from libs.backends.comfyui.node_input import (
    CHOICE,
    Choice,
    Lists,
    NodeInput,
    all_inputs,
    plain,
    with_choices,
)

__all__ = ["CHOICE", "Choice", "NodeClass", "NodeInput", "lists_of", "with_choices_of"]


@dataclass(frozen=True, slots=True)
class NodeClass:
    """A class: its inputs by name, the types of its outputs, and whether it puts something out for people.

    `is_core` is whether it comes with ComfyUI itself and asks no provider. `unread` says why nothing is known of it:
    the server has a class of that name, and tells it in a way that we do not understand.
    """

    inputs: Mapping[str, NodeInput] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    is_output: bool = False
    is_core: bool = False
    unread: str = ""

    def inputs_for(self, given: Mapping[str, Any], open_to: Collection[str] = ()) -> dict[str, NodeInput]:
        """The inputs of a node that is given these: what its choices bring along is among them.

        A choice among `open_to`, or one that a link makes, may be any: what each would bring may be there.
        """
        found: dict[str, NodeInput] = {}
        for name, one in _spread(self.inputs, given, open_to):
            found.setdefault(name, one)
        return found

    def all_inputs(self) -> Iterator[tuple[str, NodeInput]]:
        """Every input that any node of the class may have."""
        return all_inputs(self.inputs)

    def as_json(self, lists: MutableMapping[str, tuple[Choice, ...]]) -> dict[str, Any]:
        """What is published of it, its long lists of choices into `lists`."""
        told = {"inputs": {name: one.as_json(lists) for name, one in self.inputs.items()}, "outputs": self.outputs}
        more = {"is_core": self.is_core, "unread": self.unread}
        return {**told, "is_output": self.is_output, **{name: value for name, value in more.items() if value}}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], lists: Lists) -> NodeClass:
        """Read what was published."""
        inputs = {name: NodeInput.from_json(one, lists) for name, one in stored["inputs"].items()}
        more = stored.get("is_core", False), stored.get("unread", "")
        return cls(inputs, tuple(stored["outputs"]), stored["is_output"], *more)


def lists_of(stored: Any) -> Iterator[str]:
    """The digests of the lists that a published class refers to."""
    for one in stored["inputs"].values():
        yield from _lists_of(one)


def _lists_of(stored: Any) -> Iterator[str]:
    if "list" in stored:
        yield stored["list"]
    for brought in stored.get("dependent", {}).values():
        for one in brought.values():
            yield from _lists_of(one)


def with_choices_of(one: NodeClass, other: NodeClass) -> NodeClass:
    """The class, its inputs taking what those of another server's class of the same name do besides.

    Of two of which one cannot be read, the other is meant.
    """
    if one.unread or other.unread:
        return other if one.unread else one
    inputs = {name: with_choices(declared, other.inputs.get(name)) for name, declared in one.inputs.items()}
    return replace(one, inputs=inputs, is_core=one.is_core and other.is_core)


def _spread(
    inputs: Mapping[str, NodeInput], given: Mapping[str, Any], open_to: Collection[str]
) -> Iterator[tuple[str, NodeInput]]:
    for name, one in inputs.items():
        yield name, one
        chosen = plain(given.get(name))
        if name in open_to or isinstance(chosen, list):
            for brought in one.dependent.values():
                for inner, may in _spread(brought, given, open_to):
                    yield inner, replace(may, required=False)
        elif isinstance(chosen, str):
            yield from _spread(one.dependent.get(chosen, {}), given, open_to)
