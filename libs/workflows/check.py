"""Checking a graph against what its node classes take, by the rules that ComfyUI itself has. Pure.

The server's word counts: what it would take is no flaw. What it would surely refuse, or could not run, is one; what
we cannot know is a doubt, which an admin is warned of and a caller's own graph is refused for. ComfyUI looks at no node
that leads to no output: what is wrong with such a one is a doubt too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from libs.backends.comfyui import Graph
from libs.backends.comfyui.node_class import CHOICE, NodeClass, NodeInput
from libs.workflows.flaw import Flaw
from libs.workflows.graph import Link, is_link, link_flaws
from libs.workflows.literal import Wrong, told_types, wrong_with

__all__ = ["Place", "graph_flaws"]

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
    led = _leading_to_outputs(graph, classes)
    for node in graph:
        for flaw in _node_flaws(node, graph, classes, filled):
            yield flaw if node in led else replace(flaw, is_doubt=True)
    if not led:
        yield Flaw((), "no node puts anything out: add one that saves", "no_output")


def _leading_to_outputs(graph: Graph, classes: Mapping[str, NodeClass]) -> set[str]:
    """The nodes that ComfyUI looks at. One whose class cannot be read may put something out."""
    of = {node: classes[body["class_type"]] for node, body in graph.items()}
    coming = [node for node, one in of.items() if one.is_output or one.unread]
    found = set(coming)
    while coming:
        for value in graph[coming.pop()]["inputs"].values():
            if is_link(value) and value[0] not in found:
                found.add(value[0])
                coming.append(value[0])
    return found


def _node_flaws(node: str, graph: Graph, classes: Mapping[str, NodeClass], filled: Collection[Place]) -> Iterator[Flaw]:
    name, given = graph[node]["class_type"], graph[node]["inputs"]
    if why := classes[name].unread:
        yield Flaw(
            (node, "class_type"), f"the node class {name!r} cannot be held against anything: {why}", "unread", True
        )
        return
    open_to = {at for of, at in filled if of == node}
    declared = classes[name].inputs_for(given, open_to)
    yield from _missing(node, given, declared, open_to)
    for at, value in given.items():
        if at not in declared:
            listed = ", ".join(list(declared)[:_LISTED_MAX])
            yield Flaw((node, "inputs", at), f"no input of this class; it has: {listed}", "unknown_input", True)
        elif at not in open_to and (wrong := _wrong_with(value, declared[at], graph, classes)):
            yield Flaw((node, "inputs", at), *wrong)


def _missing(
    node: str, given: Mapping[str, Any], declared: Mapping[str, NodeInput], open_to: Collection[str]
) -> Iterator[Flaw]:
    """ComfyUI does not miss a choice that brings inputs along: the node may do without."""
    for name, one in declared.items():
        if one.required and name not in given and name not in open_to:
            yield Flaw((node, "inputs", name), "this input is required", "required", one.is_dynamic)


def _wrong_with(value: Any, declared: NodeInput, graph: Graph, classes: Mapping[str, NodeClass]) -> Wrong | None:
    if is_link(value):
        return _link_flaw(value, declared, classes[graph[value[0]]["class_type"]])
    return wrong_with(value, declared)


def _link_flaw(link: Link, declared: NodeInput, source: NodeClass) -> Wrong | None:
    if source.unread:
        return None
    if link[1] >= len(source.outputs):
        return f"node {link[0]!r} has {len(source.outputs)} outputs, counted from 0", "unknown_output", False
    brought = {part.strip() for part in source.outputs[link[1]].split(",")}
    if _ANYTHING in declared.types | brought or not declared.types.isdisjoint(brought):
        return None
    told = "a choice" if CHOICE in declared.types else told_types(declared)
    return f"must be {told}, and the link brings {source.outputs[link[1]]}", "wrong_type", False
