"""What a graph needs of the server that runs it: the classes of its nodes, and the files that it names. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from libs.backends.comfyui import Graph
from libs.backends.comfyui.node_class import NodeClass
from libs.backends.fleet.needs import Needs

__all__ = ["needs_of"]


def needs_of(graph: Graph, classes: Mapping[str, NodeClass] | None) -> Needs:
    """Needs of a graph that was found good; without `classes` its files are not known, and the server finds out."""
    node_classes = {str(body["class_type"]) for body in graph.values()}
    return Needs.of(node_classes=node_classes, files=_files(graph, classes or {}))


def _files(graph: Graph, classes: Mapping[str, NodeClass]) -> Iterator[str]:
    """Choices with an extension, as a server's offer has them; the pictures that a job brings along are none."""
    for body in graph.values():
        given = body.get("inputs", {})
        declared = classes[body["class_type"]].inputs_for(given) if body["class_type"] in classes else {}
        for name, value in given.items():
            one = declared.get(name)
            if one and one.choices and not one.is_file and isinstance(value, str) and "." in value:
                yield value
