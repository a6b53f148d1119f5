"""What a caller may ask of `workflow`: one that is registered, by name, or a graph of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr, model_validator

from libs import limits
from libs.kinds.kind import Input, Needs
from libs.strict import at_most
from libs.workflows.definition import WorkflowName

__all__ = ["Order", "WorkflowInput"]


_Parameters = Annotated[
    dict[str, Any], Field(max_length=limits.WORKFLOW_PARAMETERS_MAX), at_most(limits.WORKFLOW_PARAMETERS_MAX)
]
_Nodes = Annotated[dict[str, Any], Field(max_length=limits.WORKFLOW_NODES_MAX), at_most(limits.WORKFLOW_NODES_MAX)]


@dataclass(frozen=True, slots=True)
class Order:
    """What an input comes to, once what it refers to was looked up.

    `uploads` are those that the job reads, `needs` what a server must offer. `pictures_by` is the member that says how
    many pictures are wanted, None where the units are a price and no more; `pictures` are those, where the units are
    another number.
    """

    units: int = 1
    uploads: tuple[str, ...] = ()
    pictures_by: str | None = None
    needs: Needs = field(default_factory=Needs)
    pictures: int | None = None


class WorkflowInput(Input):
    """Either `workflow`, in a version if wished, with its `parameters`; or a `graph` in ComfyUI's API format.

    What it costs and which uploads it reads depend on what is registered: `settled` notes that, and nothing stores it.
    """

    workflow: WorkflowName | None = Field(None, description="The name of a registered workflow")
    version: Annotated[int, Field(ge=1, le=999_999_999)] | None = Field(None, description="Absent: the newest")
    parameters: _Parameters | None = Field(None, description="As the workflow's own schema says")
    graph: _Nodes | None = Field(None, description="A graph of your own; needs the scope jobs:raw_workflow")

    _order: Order = PrivateAttr(Order())

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.workflow is None) == (self.graph is None):
            raise ValueError("exactly one of workflow, graph is needed")
        if self.graph is not None and (self.version is not None or self.parameters is not None):
            raise ValueError("version and parameters are those of a registered workflow")
        return self

    @property
    def order(self) -> Order:
        """What was looked up of it."""
        return self._order

    def settled(self, order: Order, **members: Any) -> Self:
        """The input with some members fixed, and what was looked up of it."""
        found = self.model_copy(update=members)
        found._order = order  # noqa: SLF001  # a copy of our own
        return found
