"""Why ComfyUI did not take a graph, as a Failure. Pure.

Its validation names nodes and inputs, and now and then an exception with a traceback: the former is told to the
caller, the latter never.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from libs.errors import Failure

__all__ = ["workflow_invalid"]

#: Errors about a value that someone chose. All others are about the graph's shape, which a kind's author chose.
_VALUE_ERRORS = frozenset(
    {
        "custom_validation_failed",
        "invalid_input_type",
        "value_bigger_than_max",
        "value_not_in_list",
        "value_smaller_than_min",
    }
)
_DETAIL_CHARACTERS_MAX = 160
_NODES_MAX = 5


def workflow_invalid(reply: Mapping[str, Any]) -> Failure:
    """The failure that a refusal (`error`, `node_errors`) amounts to; not retryable, the graph stays as it is."""
    errors = list(_node_errors(reply.get("node_errors")))
    told = [_one_line(node, error) for node, error in errors[:_NODES_MAX]]
    callers = bool(errors) and all(_about_a_value(error) for _, error in errors)
    fault: Literal["caller", "ours"] = "caller" if callers else "ours"
    return Failure("workflow_invalid", "; ".join(told) or _general(reply.get("error")), fault=fault)


def _node_errors(nodes: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for node, told in nodes.items() if isinstance(nodes, dict) else ():
        name = f"node {node} ({told.get('class_type', '?')})" if isinstance(told, dict) else f"node {node}"
        errors = told.get("errors") if isinstance(told, dict) else None
        for error in errors if isinstance(errors, list) and errors else ({},):
            yield name, error if isinstance(error, dict) else {}


def _about_a_value(error: Mapping[str, Any]) -> bool:
    return str(error.get("type")) in _VALUE_ERRORS


def _one_line(node: str, error: Mapping[str, Any]) -> str:
    message = _short(error.get("message")) or "not valid"
    details = _short(error.get("details")) if _about_a_value(error) else ""
    return f"{node}: {message}: {details}" if details else f"{node}: {message}"


def _general(error: object) -> str:
    """What is wrong with the graph as a whole; old servers say it in a string."""
    message = error.get("message") if isinstance(error, dict) else error
    return _short(message) or "the backend does not accept the workflow"


def _short(text: object) -> str:
    """The first line of a text, unless it belongs to a traceback."""
    lines = text.strip().splitlines() if isinstance(text, str) else []
    if not lines or "Traceback" in lines[0]:
        return ""
    return lines[0] if len(lines[0]) <= _DETAIL_CHARACTERS_MAX else lines[0][: _DETAIL_CHARACTERS_MAX - 1] + "…"
