"""What the routes about workflows answer, as models; see `answer`."""

from __future__ import annotations

from typing import Any

from apps.api.answers.answer import Answer, Time

__all__ = ["Workflow", "WorkflowOnOffer", "WorkflowVersion", "WorkflowVersions"]


class Workflow(Answer):
    """A registered workflow, as it is in its newest version. `units` is a number, or the parameter that tells it."""

    name: str
    version: int
    summary: str
    units: int | str


class WorkflowOnOffer(Workflow):
    """A workflow for who wants to order it: what it takes, and the JSON schema (draft 2020-12) of a job's input."""

    parameters: list[dict[str, Any]]
    input_schema: dict[str, Any]


class WorkflowVersion(Workflow):
    """A version as an admin sees it. `checked`: whether its nodes were known when it came, and held against it."""

    skipped_outputs_allowed: bool
    graph: dict[str, Any]
    parameters: list[dict[str, Any]]
    checked: bool
    warnings: list[str]
    created_at: Time
    created_by: str
    retired_at: Time | None


class WorkflowVersions(WorkflowVersion):
    """A workflow as an admin sees it, and the numbers of its versions that can be ordered, newest first."""

    versions: list[int]
