"""Raw graphs: what a caller may have a backend run that nobody registered. Pure.

On top of what every graph must be: only classes on a list of the operator's, no text where a file, a path or an address
is meant unless it is an upload of the job's own, and no value by a link where a literal can be held against a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from libs.backends.comfyui import Graph
from libs.backends.comfyui.node_class import CHOICE, NodeClass, NodeInput
from libs.backends.comfyui.node_input import plain
from libs.workflows.check import Place, graph_flaws
from libs.workflows.classes import RawClasses
from libs.workflows.flaw import Flaw, first_flaws
from libs.workflows.graph import is_link, link_flaws, read_graph
from libs.workflows.literal import converted

__all__ = ["UPLOAD", "ends_of", "names_place", "pictures_of_raw", "read_raw", "uploads_in"]

UPLOAD: Final = re.compile(r"upload_[0-9a-z]{26}", re.ASCII)

#: The client writes a name of the job's own over it before the graph is sent.
_PREFIX: Final = "filename_prefix"
_SAVED_AS: Final = "arqade"
#: Inputs that multiply what is made, and the steps it takes: the price is told from them, so they are literals.
_MULTIPLIERS: Final = frozenset({"amount", "batch_size"})
_PRICED: Final = _MULTIPLIERS | {"steps"}
#: Words in the name of an input whose text would lead out of the graph, and ends of such names.
_PLACES: Final = re.compile(
    r"\b(?:code|command|dir|directory|expression|file|filepath|folder|host|path|script|subfolder|uri|url|webhook)\d*\b"
    r"|(?:dir|directory|filename|folder|path|uri|url)\d*$",
    re.IGNORECASE,
)
_HUMP: Final = re.compile(r"_|(?<=[a-z0-9])(?=[A-Z])")


def read_raw(sent: object, allowed: RawClasses, classes: Mapping[str, NodeClass] | None) -> tuple[Graph, list[Flaw]]:
    """The graph as it may be run, and what is wrong with it; it must not be used unless that is [].

    What ComfyUI would convert comes out converted, so that what is priced is what is run. What an admin is only warned
    of is refused. Without `classes` only its shape, its links, its classes' names and what multiplies its price are
    checked: whoever runs it checks again.
    """
    graph, flaws = read_graph(sent)
    flaws = flaws or first_flaws(_class_flaws(graph, allowed, classes))
    if flaws:
        return {}, flaws
    graph = {node: _renamed(_untitled(body), classes) for node, body in graph.items()}
    if classes is not None:
        graph = {node: _converted(body, classes) for node, body in graph.items()}
        flaws = first_flaws(_flaws(graph, classes))
    else:
        flaws = first_flaws(link_flaws(graph))
    flaws = flaws or first_flaws(_price_flaws(graph))
    return ({} if flaws else graph), flaws


def uploads_in(graph: Graph) -> dict[Place, str]:
    """The uploads that a graph names, by the place where it does."""
    return {
        (node, name): value
        for node, body in graph.items()
        for name, value in body["inputs"].items()
        if isinstance(value, str) and UPLOAD.fullmatch(value)
    }


def ends_of(graph: Graph) -> frozenset[str]:
    """The nodes that nobody reads from: what is saved is saved by these."""
    read = {value[0] for body in graph.values() for value in body["inputs"].values() if is_link(value)}
    return frozenset(graph.keys() - read)


def pictures_of_raw(graph: Graph) -> int:
    """The pictures that it can leave: one for each node that nobody reads from, times the largest batch."""
    batch = 1
    for body in graph.values():
        for name, value in body["inputs"].items():
            if name in _MULTIPLIERS and isinstance(value, int):
                batch *= max(1, value)
    return len(ends_of(graph)) * batch


def names_place(name: str) -> bool:
    """Whether an input of that name takes a file, a path or an address, going by the words in it."""
    return name != _PREFIX and _PLACES.search(_HUMP.sub(" ", name)) is not None


def _class_flaws(graph: Graph, allowed: RawClasses, classes: Mapping[str, NodeClass] | None) -> Iterator[Flaw]:
    """A class of ComfyUI's own is allowed for what it is: another package's of the same name is not it."""
    for node, body in graph.items():
        name = body["class_type"]
        known = (classes or {}).get(name)
        if not allowed.has(name):
            detail = f"{name!r} is not among the node classes that raw graphs may use"
            yield Flaw((node, "class_type"), detail, "node_not_allowed")
        elif known is not None and not (known.is_core or known.unread or allowed.is_added(name)):
            detail = f"{name!r} is not ComfyUI's own on the backend, and only that may be used in raw graphs"
            yield Flaw((node, "class_type"), detail, "node_not_allowed")


def _untitled(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Nothing travels to the backend beside what was checked."""
    return {name: body[name] for name in ("class_type", "inputs")}


def _renamed(body: Mapping[str, Any], classes: Mapping[str, NodeClass] | None) -> Mapping[str, Any]:
    """The node, with a prefix of ours wherever it can have one."""
    given = body["inputs"]
    declared = _inputs_of(body, classes or {})
    places = {name for name in (*given, *declared) if name == _PREFIX or name.endswith(f".{_PREFIX}")}
    return {**body, "inputs": {**given, **dict.fromkeys(sorted(places), _SAVED_AS)}} if places else body


def _converted(body: Mapping[str, Any], classes: Mapping[str, NodeClass]) -> Mapping[str, Any]:
    declared = _inputs_of(body, classes)
    return {**body, "inputs": {name: _settled(value, declared.get(name)) for name, value in body["inputs"].items()}}


def _settled(value: Any, declared: NodeInput | None) -> Any:
    """What the backend makes of a value; a list stays in its wrapper, and what cannot be converted as it is."""
    if declared is None or is_link(value) or isinstance(plain(value), list | dict):
        return value
    with suppress(OverflowError, TypeError, ValueError):
        return converted(value, declared)
    return value


def _price_flaws(graph: Graph) -> Iterator[Flaw]:
    """What multiplies the price is a plain number, whether or not the backend's nodes are known."""
    for node, body in graph.items():
        for name, value in body["inputs"].items():
            if name.rpartition(".")[2] in _PRICED and (isinstance(value, bool) or not isinstance(value, int)):
                yield Flaw((node, "inputs", name), "must be an integer, which the price is told from", "literal_needed")


def _inputs_of(body: Mapping[str, Any], classes: Mapping[str, NodeClass]) -> Mapping[str, NodeInput]:
    return classes[body["class_type"]].inputs_for(body["inputs"]) if body["class_type"] in classes else {}


def _flaws(graph: Graph, classes: Mapping[str, NodeClass]) -> Iterator[Flaw]:
    files = {
        (node, name) for node, body in graph.items() for name, one in _inputs_of(body, classes).items() if one.is_file
    }
    yield from graph_flaws(graph, classes, {place for place in files if _is_given(graph, place)})
    for node, body in graph.items():
        declared = _inputs_of(body, classes)
        for name, value in body["inputs"].items():
            if name in declared and (wrong := _too_free(name, value, declared[name])):
                yield Flaw((node, "inputs", name), *wrong)


def _is_given(graph: Graph, place: Place) -> bool:
    return place[1] in graph[place[0]]["inputs"]


def _too_free(name: str, value: Any, declared: NodeInput) -> tuple[str, str] | None:
    """Why a raw graph may not set this input so."""
    if declared.is_file and not declared.is_picture:
        return "this input names a file that is no picture, and is closed to raw graphs", "input_not_allowed"
    if declared.is_picture:
        is_upload = isinstance(value, str) and UPLOAD.fullmatch(value) is not None
        return None if is_upload else ("a file is named by the id of an upload of yours", "upload_needed")
    if names_place(name):
        return "this input leads to a file or an address, and is closed to raw graphs", "input_not_allowed"
    if is_link(value) and (CHOICE in declared.types or name in _PRICED):
        return "must be a value, not a link", "literal_needed"
    return None
