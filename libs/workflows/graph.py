"""Reading a graph that somebody sent: its shape, its bounds and its links. Pure.

What comes out is built anew from what was understood: a member that we do not know is refused, so nothing can travel to
the backend beside what was checked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeGuard

import orjson

from libs import limits
from libs.backends.comfyui import Graph
from libs.workflows.flaw import Flaw, first_flaws

__all__ = ["Link", "inputs_in", "is_link", "link_flaws", "read_graph", "titles_of"]

#: A link: the node that it comes from, and which of its outputs.
Link = list[Any]

_NODE_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_:.-]*", re.ASCII)
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]+")
_MEMBERS: Final = frozenset({"class_type", "inputs"})
#: What ComfyUI's own editor writes beside them: titles for people.
_DROPPED: Final = frozenset({"_meta"})
_LINK_LENGTH: Final = 2
_OUTPUTS_MAX: Final = 256
_DEPTH_MAX: Final = 8
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1


def read_graph(sent: object) -> tuple[Graph, list[Flaw]]:
    """The graph, with nothing in it but classes, inputs and titles, and what is wrong with its shape: [] if nothing."""
    if not isinstance(sent, dict) or not sent:
        return {}, [Flaw((), "must be an object of nodes by id, with one at least", "type")]
    if len(sent) > limits.WORKFLOW_NODES_MAX:
        return {}, [Flaw((), f"at most {limits.WORKFLOW_NODES_MAX} nodes", "too_many_nodes")]
    flaws = first_flaws(flaw.below(str(node)) for node, body in sent.items() for flaw in _node_flaws(node, body))
    if flaws:
        return {}, flaws
    return {node: _plain(body) for node, body in sent.items()}, []


def titles_of(graph: Graph) -> dict[str, str]:
    """What the author of a graph calls its nodes, where it says so."""
    return {node: body["_meta"]["title"] for node, body in graph.items() if "_meta" in body}


def _plain(body: Mapping[str, Any]) -> dict[str, Any]:
    """What was understood of a node: its title is for people."""
    meta = body.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    told = {"_meta": {"title": title}} if isinstance(title, str) and _is_name(title) else {}
    return {"class_type": body["class_type"], "inputs": dict(body["inputs"]), **told}


def is_link(value: object) -> TypeGuard[Link]:
    """Whether an input's value is a link; in a graph that was read, what is a list is one."""
    return isinstance(value, list)


def inputs_in(sent: Mapping[str, object]) -> int:
    """How many inputs a graph has, whatever shape it has: what looking at it costs."""
    inputs = (body.get("inputs") for body in sent.values() if isinstance(body, dict))
    return sum(len(each) for each in inputs if isinstance(each, dict))


def link_flaws(graph: Graph) -> Iterator[Flaw]:
    """Links that lead nowhere, and loops."""
    lost = [
        Flaw((node, "inputs", name), f"there is no node {value[0]!r}", "unknown_node")
        for node, name, value in _links(graph)
        if value[0] not in graph
    ]
    yield from lost or _loops(graph)


def _node_flaws(node: object, body: object) -> Iterator[Flaw]:
    if not (isinstance(node, str) and len(node) <= limits.WORKFLOW_NAME_LENGTH_MAX and _NODE_ID.fullmatch(node)):
        yield Flaw((), "a node's id is a letter or digit, then more of those and _ : . -", "node_id")
    elif not isinstance(body, dict) or not body.keys() >= _MEMBERS:
        yield Flaw((), "a node is an object with class_type and inputs", "type")
    elif more := sorted(map(str, body.keys() - _MEMBERS - _DROPPED)):
        yield Flaw((more[0],), "a node has class_type and inputs and nothing else", "unknown_member")
    elif not _is_name(body["class_type"]):
        yield Flaw(("class_type",), "must be the name of a node class", "type")
    elif not isinstance(body["inputs"], dict) or len(body["inputs"]) > limits.WORKFLOW_NODE_INPUTS_MAX:
        yield Flaw(("inputs",), f"an object of at most {limits.WORKFLOW_NODE_INPUTS_MAX} inputs", "type")
    else:
        for name, value in body["inputs"].items():
            if wrong := "not a name" if not _is_name(name) else _wrong_with(value):
                yield Flaw(("inputs", str(name)), wrong, "value")


def _is_name(text: object) -> bool:
    return isinstance(text, str) and len(text) <= limits.WORKFLOW_NAME_LENGTH_MAX and bool(_NAME.fullmatch(text))


def _wrong_with(value: object) -> str | None:
    """Why an input cannot have this value, whatever its class says; None when it can."""
    match value:
        case bool() | None:
            return None
        case int() | float():
            fits = _INT_MIN <= value <= _INT_MAX if isinstance(value, int) else math.isfinite(value)
            return None if fits else "not a finite number, or one that does not fit into 64 bits"
        case str():
            return _wrong_with_text(value)
        case list():
            return (
                None
                if _links_well(value)
                else 'a list is a link, [node id, number of its output], or {"__value__": […]}'
            )
        case dict():
            return _wrong_with_json(value)
        case _:
            return "must be JSON"


def _wrong_with_json(value: Mapping[str, object]) -> str | None:
    """What a node of newer servers takes as a whole: a box, a curve, a list in its wrapper."""
    for depth, inner in _within(value):
        if depth > _DEPTH_MAX:
            return f"values lie in it deeper than {_DEPTH_MAX}"
        if not isinstance(inner, list | dict) and (wrong := _wrong_with(inner)):
            return wrong
    if len(orjson.dumps(value)) > limits.WORKFLOW_TEXT_LENGTH_MAX:
        return f"at most {limits.WORKFLOW_TEXT_LENGTH_MAX} bytes as JSON"
    return None


def _within(value: object) -> Iterator[tuple[int, object]]:
    """Everything in a value with how deep it lies, members' names too; no deeper than one past what may be."""
    coming = [(1, value)]
    while coming:
        depth, one = coming.pop()
        yield depth, one
        inner: list[object] = (
            [*one.keys(), *one.values()] if isinstance(one, dict) else one if isinstance(one, list) else []
        )
        if depth <= _DEPTH_MAX:
            coming += [(depth + 1, more) for more in inner]


def _wrong_with_text(text: str) -> str | None:
    if len(text) > limits.WORKFLOW_TEXT_LENGTH_MAX:
        return f"at most {limits.WORKFLOW_TEXT_LENGTH_MAX} characters"
    return None if _is_text(text) else "a text that holds NUL or half a character"


def _is_text(text: str) -> bool:
    """NUL ends a text for whoever is written in C, and a lone surrogate cannot be sent at all."""
    if text.isascii():
        return "\0" not in text
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _links_well(value: list[object]) -> bool:
    return (
        len(value) == _LINK_LENGTH
        and isinstance(value[0], str)
        and isinstance(value[1], int)
        and not isinstance(value[1], bool)
        and 0 <= value[1] < _OUTPUTS_MAX
    )


def _links(graph: Graph) -> Iterator[tuple[str, str, Link]]:
    for node, body in graph.items():
        for name, value in body["inputs"].items():
            if is_link(value):
                yield node, name, value


def _loops(graph: Graph) -> Iterator[Flaw]:
    """Take away nodes that read from none that is left, until none can be taken: what stays has a loop before it."""
    reads: dict[str, set[str]] = {node: set() for node in graph}
    readers: dict[str, set[str]] = {node: set() for node in graph}
    for node, _, value in _links(graph):
        reads[node].add(value[0])
        readers[value[0]].add(node)
    free = [node for node, read in reads.items() if not read]
    while free:
        done = free.pop()
        del reads[done]
        for reader in readers[done]:
            reads[reader].discard(done)
            if not reads[reader]:
                free.append(reader)
    if reads:
        yield Flaw((next(iter(reads)),), "the graph has a loop", "loop")
