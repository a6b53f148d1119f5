"""What of a graph is made anew for each prompt: where it saves, what it reads, and what no cache may answer. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from libs.backends.comfyui.server import Graph

__all__ = ["extension_of", "past_cache", "saves", "senders", "with_inputs", "with_prefix"]

#: An input that no node has: it is part of what ComfyUI's cache goes by, and reaches no node.
_PAST_CACHE: Final = "arqade_prompt"
#: Classes whose pictures come over the socket, and are saved nowhere.
_SENDERS: Final = frozenset({"SaveImageWebsocket"})


def senders(graph: Graph) -> frozenset[str]:
    """The nodes whose pictures come over the socket alone."""
    return frozenset(node for node, body in graph.items() if body["class_type"] in _SENDERS)


def past_cache(graph: Graph, nodes: Collection[str], prompt_id: str) -> Graph:
    """The graph, with these nodes run anew whatever is cached of them; those before them are not."""
    return {
        node: {**body, "inputs": {**body["inputs"], _PAST_CACHE: prompt_id}} if node in nodes else body
        for node, body in graph.items()
    }


def with_prefix(graph: Graph, prefix: str) -> Graph:
    """The graph, saving under a name of its own: an identical one is answered from a cache, without new files."""
    return {node: _prefixed(body, prefix) for node, body in graph.items()}


def with_inputs(graph: Graph, names: Mapping[str, str]) -> Graph:
    """The graph, with every input whose value is one of these names, and no more than it, replaced by what it names."""
    if not names:
        return graph
    return {node: {**body, "inputs": _renamed(body.get("inputs", {}), names)} for node, body in graph.items()}


def _renamed(inputs: Mapping[str, Any], names: Mapping[str, str]) -> Mapping[str, Any]:
    return {name: names.get(value, value) if isinstance(value, str) else value for name, value in inputs.items()}


def saves(body: Mapping[str, Any]) -> bool:
    """Whether a node saves under a name that we choose."""
    return "filename_prefix" in body.get("inputs", {})


def _prefixed(body: Mapping[str, Any], prefix: str) -> Mapping[str, Any]:
    return {**body, "inputs": {**body["inputs"], "filename_prefix": prefix}} if saves(body) else body


def extension_of(name: str) -> str:
    """The part of a name by which ComfyUI tells pictures from other files, where it is plain."""
    _, dot, extension = name.rpartition(".")
    return f".{extension.lower()}" if dot and extension.isascii() and extension.isalnum() else ""
