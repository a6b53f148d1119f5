"""Checking a graph against what its node classes take, by the rules that ComfyUI itself has, and stricter ones. Pure.

Stricter: a value must have its input's type (ComfyUI would convert it), an input must be one that the class has
(ComfyUI would let it pass), and a choice must be listed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from libs.backends.comfyui import Graph
from libs.backends.comfyui.node_class import CHOICE, Choice, NodeClass, NodeInput
from libs.workflows.flaw import Flaw
from libs.workflows.graph import Link, is_link, link_flaws

__all__ = ["Place", "graph_flaws", "literal_flaw"]

#: An input of a node: the node's id and the input's name.
Place = tuple[str, str]

_ANYTHING: Final = "*"
_LISTED_MAX: Final = 20


def graph_flaws(graph: Graph, classes: Mapping[str, NodeClass], filled: Collection[Place] = ()) -> Iterator[Flaw]:
    """Everything that is wrong with a graph that was read; its places in `filled` get their values from elsewhere."""
    broken = list(link_flaws(graph))
    yield from broken
    unknown = {node for node, body in graph.items() if body["class_type"] not in classes}
    for node in unknown:
        detail = f"the backend has no node class {graph[node]['class_type']!r}"
        yield Flaw((node, "class_type"), detail, "unknown_class")
    if broken or unknown:
        return
    for node, body in graph.items():
        yield from _node_flaws(node, body["inputs"], classes[body["class_type"]], graph, classes, filled)
    if not any(classes[body["class_type"]].is_output for body in graph.values()):
        yield Flaw((), "no node puts anything out: add one that saves", "no_output")


def literal_flaw(value: Choice, declared: NodeInput) -> tuple[str, str] | None:
    """Why an input cannot have a value that is no link, and the code of that; None when it can."""
    if CHOICE in declared.types:
        return _choice_flaw(value, declared.choices)
    if not any(_is_of(value, one) for one in declared.types):
        return f"must be {_told(declared)}", "wrong_type"
    if isinstance(value, str | bool):
        return None
    if declared.least is not None and value < declared.least:
        return f"at least {declared.least:g}", "out_of_range"
    if declared.most is not None and value > declared.most:
        return f"at most {declared.most:g}", "out_of_range"
    return None


def _node_flaws(
    node: str,
    given: Mapping[str, Any],
    declared: NodeClass,
    graph: Graph,
    classes: Mapping[str, NodeClass],
    filled: Collection[Place],
) -> Iterator[Flaw]:
    for name, one in declared.inputs.items():
        if one.required and name not in given and (node, name) not in filled:
            yield Flaw((node, "inputs", name), "this input is required", "required")
    for name, value in given.items():
        if name not in declared.inputs:
            listed = ", ".join(list(declared.inputs)[:_LISTED_MAX])
            yield Flaw((node, "inputs", name), f"no input of this class; it has: {listed}", "unknown_input")
        elif (node, name) not in filled and (wrong := _wrong_with(value, declared.inputs[name], graph, classes)):
            yield Flaw((node, "inputs", name), *wrong)


def _wrong_with(
    value: Any, declared: NodeInput, graph: Graph, classes: Mapping[str, NodeClass]
) -> tuple[str, str] | None:
    if is_link(value):
        return _link_flaw(value, declared, classes[graph[value[0]]["class_type"]])
    return literal_flaw(value, declared)


def _link_flaw(link: Link, declared: NodeInput, source: NodeClass) -> tuple[str, str] | None:
    if link[1] >= len(source.outputs):
        return f"node {link[0]!r} has {len(source.outputs)} outputs, counted from 0", "unknown_output"
    brought = source.outputs[link[1]]
    if brought == _ANYTHING or _ANYTHING in declared.types:
        return None
    if declared.types.isdisjoint(part.strip() for part in brought.split(",")):
        return f"must be {_told(declared)}, and the link brings {brought}", "wrong_type"
    return None


def _choice_flaw(value: Choice, choices: tuple[Choice, ...] | None) -> tuple[str, str] | None:
    if choices is None:
        return "the backend does not tell what can be chosen here", "not_offered"
    if any(type(one) is type(value) and one == value for one in choices):  # 1 is not true, though Python says so
        return None
    more = f" and {len(choices) - _LISTED_MAX} more" if len(choices) > _LISTED_MAX else ""
    listed = ", ".join(map(str, choices[:_LISTED_MAX]))
    return f"not offered; the backend offers {listed or 'nothing'}{more}", "not_offered"


def _is_of(value: Choice, kind: str) -> bool:
    match kind:
        case "INT":
            return isinstance(value, int) and not isinstance(value, bool)
        case "FLOAT":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "STRING":
            return isinstance(value, str)
        case "BOOLEAN":
            return isinstance(value, bool)
        case _:
            return False


def _told(declared: NodeInput) -> str:
    """The types, for people."""
    words = {"INT": "an integer", "FLOAT": "a number", "STRING": "a text", "BOOLEAN": "true or false"}
    return " or ".join(words.get(one, f"a link to {one}") for one in sorted(declared.types))
