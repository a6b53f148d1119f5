"""The JSON that callers and admins see of workflows. A graph is the house's own: callers see what they may set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from libs.jobs.view import stamp
from libs.workflows.flaw import Flaw
from libs.workflows.order import input_schema
from libs.workflows.parameter import Parameter
from libs.workflows.registry import Version

__all__ = ["offered_view", "version_view", "workflow_view"]

_UNCHECKED = (
    "No worker has told the backend's node classes yet, so nothing was held against them: "
    "each job of this version does that before it runs"
)


def workflow_view(version: Version) -> dict[str, Any]:
    """A line of a list."""
    return {
        "name": version.name,
        "version": version.number,
        "summary": version.definition.summary,
        "units": version.definition.units,
    }


def offered_view(version: Version) -> dict[str, Any]:
    """A workflow for who wants to order it."""
    return {
        **workflow_view(version),
        "parameters": [_told(parameter) for parameter in version.definition.parameters],
        "input_schema": input_schema(version.name, version.number, version.definition),
    }


def version_view(version: Version, doubts: Sequence[Flaw] = ()) -> dict[str, Any]:
    """A version with its graph, for admins; `doubts` are told to who registers it, and not kept."""
    definition = version.definition.model_dump(mode="json", exclude_none=True)
    return {
        **workflow_view(version),
        **definition,
        "checked": version.is_checked,
        "warnings": [*([] if version.is_checked else [_UNCHECKED]), *(doubt.warning for doubt in doubts)],
        "created_at": stamp(version.created_at_ms),
        "created_by": version.created_by,
        "retired_at": stamp(version.retired_at_ms),
    }


def _told(parameter: Parameter) -> dict[str, Any]:
    return parameter.model_dump(mode="json", exclude_none=True, exclude={"sets"})
