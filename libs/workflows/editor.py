"""From a workflow as ComfyUI's editor saves it to the API format, as the editor's own export would write it. Pure.

The editor keeps nodes with positions, links in a table, and the values of widgets in a list without names: which value
is whose follows from the order in which the class declares its inputs. Subgraphs are unfolded (a node in one is called
`outer:inner`), reroutes and primitives disappear into what they lead to, bypassed nodes hand on what they are given,
and muted ones are left out with all that only they bring.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from libs.backends.comfyui.node_input import plain
from libs.workflows.widgets import filled_widgets

__all__ = ["NotAWorkflowError", "classes_in", "converted_workflow"]

_MUTED, _BYPASSED = 2, 4
_INPUTS_OF_SUBGRAPH, _OUTPUTS_OF_SUBGRAPH = -10, -20
#: Nodes that are the editor's alone.
_NOTES: Final = frozenset({"Note", "MarkdownNote"})
_REROUTE, _PRIMITIVE = "Reroute", "PrimitiveNode"
_DEPTH_MAX: Final = 200
#: A subgraph's own input, among the widgets that it shows.
_OWN: Final = "-1"


class NotAWorkflowError(ValueError):
    """It is no workflow of the editor's."""


@dataclass(frozen=True, slots=True)
class _Value:
    """What stands at the end of a link, where that is no node."""

    value: Any


@dataclass(slots=True)
class _Scope:
    """A graph as the editor shows one: the whole, or what is within a node that stands for a subgraph."""

    nodes: dict[str, dict[str, Any]]
    links: dict[int, tuple[str, int, str, int]]
    prefix: str = ""
    parent: _Scope | None = None
    instance: dict[str, Any] = field(default_factory=dict)
    shown: dict[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def is_off(self) -> bool:
        """Whether the node that stands for it is muted or bypassed, or is within such a one."""
        return self.parent is not None and (self.instance.get("mode") in (_MUTED, _BYPASSED) or self.parent.is_off)


def classes_in(saved: Any) -> frozenset[str]:
    """The types of all nodes, within subgraphs too: their classes have to be known. Raises NotAWorkflowError."""
    try:
        graphs = [saved, *((saved.get("definitions") or {}).get("subgraphs") or ())]
        return frozenset(str(node["type"]) for graph in graphs for node in graph["nodes"])
    except (AttributeError, KeyError, TypeError) as error:
        raise NotAWorkflowError(f"it is no workflow that ComfyUI's editor has saved ({error!r})") from error


def converted_workflow(saved: Any, declarations: Mapping[str, Any]) -> dict[str, Any]:
    """The graph in the API format. `declarations` are the classes in `/object_info`'s words.

    A class that is not among them keeps its links, and the values that the editor names. Raises NotAWorkflowError.
    """
    try:
        subgraphs = {one["id"]: one for one in (saved.get("definitions") or {}).get("subgraphs") or ()}
        whole = _Converter(subgraphs, declarations)
        return dict(whole.nodes(_scope(saved)))
    except NotAWorkflowError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise NotAWorkflowError(f"it is no workflow that ComfyUI's editor has saved ({error!r})") from error


def _scope(saved: Mapping[str, Any], **more: Any) -> _Scope:
    nodes = {str(node["id"]): node for node in saved["nodes"]}
    return _Scope(nodes, dict(map(_link, saved.get("links") or ())), **more)


def _link(link: Any) -> tuple[int, tuple[str, int, str, int]]:
    """`[id, origin, its slot, target, its slot, type]`, within subgraphs an object of the same."""
    if isinstance(link, dict):
        ends = link["origin_id"], link["origin_slot"], link["target_id"], link["target_slot"]
        return link["id"], (str(ends[0]), int(ends[1]), str(ends[2]), int(ends[3]))
    return link[0], (str(link[1]), int(link[2]), str(link[3]), int(link[4]))


class _Converter:
    def __init__(self, subgraphs: Mapping[str, Any], declarations: Mapping[str, Any]) -> None:
        self._subgraphs = subgraphs
        self._declarations = declarations
        self._within: dict[tuple[str, str], _Scope] = {}

    def nodes(self, scope: _Scope) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every node that is run, those of subgraphs in the place of the node that stands for them."""
        for name, node in scope.nodes.items():
            kind = node["type"]
            if node.get("mode") in (_MUTED, _BYPASSED) or kind in _NOTES or kind in (_REROUTE, _PRIMITIVE):
                continue
            if kind in self._subgraphs:
                yield from self.nodes(self._inside(scope, name))
                continue
            title = node.get("title") or (node.get("properties") or {}).get("Node name for S&R") or kind
            told = {"class_type": kind, "inputs": self._inputs(scope, name, node), "_meta": {"title": title}}
            yield scope.prefix + name, told

    def _inside(self, scope: _Scope, name: str) -> _Scope:
        key = scope.prefix, name
        if key not in self._within:
            node = scope.nodes[name]
            if scope.prefix.count(":") > _DEPTH_MAX:
                raise NotAWorkflowError("a subgraph holds itself")
            self._within[key] = _scope(
                self._subgraphs[node["type"]],
                prefix=f"{scope.prefix}{name}:",
                parent=scope,
                instance=node,
            )
            self._within[key].shown = self._shown(node, self._within[key])
        return self._within[key]

    def _inputs(self, scope: _Scope, name: str, node: Mapping[str, Any]) -> dict[str, Any]:
        found = filled_widgets(node, self._declarations.get(node["type"]))
        found |= {widget: value for (inner, widget), value in scope.shown.items() if inner == name}
        for one in node.get("inputs") or ():
            if one.get("link") is None:
                continue
            at = self._origin(scope, one["link"])
            if isinstance(at, _Value):
                found[one["name"]] = _wrapped(at.value)
            elif at is not None:
                found[one["name"]] = list(at)
            elif "widget" not in one:
                found.pop(one["name"], None)
        return found

    def _origin(self, scope: _Scope, link: int, depth: int = 0) -> tuple[str, int] | _Value | None:
        """The node and output that a link really comes from, or the value; None where it comes from nothing."""
        if link not in scope.links or depth > _DEPTH_MAX:
            return None
        name, slot = scope.links[link][:2]
        if name == str(_INPUTS_OF_SUBGRAPH):
            return self._given(scope, slot, depth)
        node = scope.nodes.get(name)
        if node is None or node.get("mode") == _MUTED or node["type"] == _PRIMITIVE:
            return _primitive(node)
        if node["type"] == _REROUTE or node.get("mode") == _BYPASSED:
            through = _through(node, slot)
            return None if through is None else self._origin(scope, through, depth + 1)
        if node["type"] in self._subgraphs:
            return self._brought(self._inside(scope, name), slot, depth)
        return scope.prefix + name, slot

    def _given(self, scope: _Scope, slot: int, depth: int) -> tuple[str, int] | _Value | None:
        """What a subgraph's input is given from outside: by a link, or in a widget of the node that stands for it."""
        if scope.parent is None:
            return None
        own = self._subgraphs[scope.instance["type"]]["inputs"][slot]["name"]
        given = next((one for one in scope.instance.get("inputs") or () if one["name"] == own), None)
        if given is not None and given.get("link") is not None:
            return self._origin(scope.parent, given["link"], depth + 1)
        outer = scope.parent.shown.get((str(scope.instance["id"]), own))
        if outer is not None:
            return _Value(outer)
        return _Value(scope.shown[_OWN, own]) if (_OWN, own) in scope.shown else self._own_value(scope, slot)

    def _own_value(self, scope: _Scope, slot: int) -> _Value | None:
        """What stands in the widget within that an input leads to: whatever else it leads to is given the same."""
        for name, at in self._widgets(scope, slot):
            node = scope.nodes[name]
            found = filled_widgets(node, self._declarations.get(node["type"])) | {
                widget: value for (inner, widget), value in scope.shown.items() if inner == name
            }
            if at in found:
                return _Value(plain(found[at]))
        return None

    def _widgets(self, scope: _Scope, slot: int) -> Iterator[tuple[str, str]]:
        """The widgets within that a subgraph's input leads to: node and input."""
        for origin, origin_slot, target, target_slot in scope.links.values():
            if origin == str(_INPUTS_OF_SUBGRAPH) and origin_slot == slot and target in scope.nodes:
                one = scope.nodes[target]["inputs"][target_slot]
                if one.get("widget"):
                    yield target, one["name"]

    def _shown(self, node: Mapping[str, Any], within: _Scope) -> dict[tuple[str, str], Any]:
        """The values of the widgets that a subgraph's node shows, by the node within and its input."""
        values = node.get("widgets_values")
        if not isinstance(values, list):
            return {}
        proxies = (node.get("properties") or {}).get("proxyWidgets")
        inputs = self._subgraphs[node["type"]].get("inputs") or ()
        own = [(_OWN, one["name"]) for slot, one in enumerate(inputs) if any(self._widgets(within, slot))]
        names = [(str(one[0]), str(one[1])) for one in proxies] if isinstance(proxies, list) and proxies else own
        return {name: value for name, value in zip(names, values, strict=False) if value is not None}

    def _brought(self, scope: _Scope, slot: int, depth: int) -> tuple[str, int] | _Value | None:
        for link, (_, _, target, target_slot) in scope.links.items():
            if target == str(_OUTPUTS_OF_SUBGRAPH) and target_slot == slot:
                return self._origin(scope, link, depth + 1)
        return None


def _primitive(node: Mapping[str, Any] | None) -> _Value | None:
    """What a primitive says; of any other node nothing."""
    values = (node.get("widgets_values") or []) if node and node["type"] == _PRIMITIVE else []
    return _Value(values[0]) if values and node and node.get("mode") != _MUTED else None


def _through(node: Mapping[str, Any], slot: int) -> int | None:
    """The link that a node hands on as its output: the one at the same place, or the first of the same type."""
    inputs = node.get("inputs") or []
    if node["type"] == _REROUTE:
        return inputs[0].get("link") if inputs else None
    kind = node["outputs"][slot]["type"]
    same = inputs[slot : slot + 1] + list(inputs)
    return next((one["link"] for one in same if one.get("link") is not None and _fits(one["type"], kind)), None)


def _fits(one: Any, other: Any) -> bool:
    return bool(one == other or "*" in (one, other))


def _wrapped(value: Any) -> Any:
    return {"__value__": value} if isinstance(value, list) else value
