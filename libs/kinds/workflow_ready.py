"""What of a workflow is handed to the backend: made from a job's input, at each attempt anew and always the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from libs.backends.comfyui import Graph, Wishes
from libs.backends.comfyui.node_class import NodeClass
from libs.errors import Failure, Unavailable
from libs.kinds.kind import Library
from libs.kinds.workflow_input import WorkflowInput
from libs.workflows.check import Place
from libs.workflows.definition import Definition, classes_of, definition_flaws
from libs.workflows.flaw import Flaw
from libs.workflows.graph import titles_of
from libs.workflows.node_classes import UnreadableError
from libs.workflows.order import filled, picture_places, seeds_of
from libs.workflows.raw import read_raw, uploads_in

__all__ = ["Ready", "make_ready"]

_TOLD_MAX = 3


@dataclass(frozen=True, slots=True)
class Ready:
    """A graph with all its values, and the places in it that name uploads."""

    graph: Graph
    uploads: Mapping[Place, str]
    is_raw: bool
    wishes: Wishes = field(default_factory=Wishes)
    titles: Mapping[str, str] = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=dict)

    def files(self) -> Iterator[tuple[str, str]]:
        """The name of each file that goes along, and the upload that it is."""
        for upload in dict.fromkeys(self.uploads.values()):
            yield _file_name(upload), upload

    def named_graph(self) -> Graph:
        """The graph, naming those files where they are read."""
        graph = {node: {**body, "inputs": dict(body["inputs"])} for node, body in self.graph.items()}
        for (node, name), upload in self.uploads.items():
            graph[node]["inputs"][name] = _file_name(upload)
        return graph


async def make_ready(wanted: WorkflowInput, library: Library) -> Ready:
    """What is handed over for a settled input. Raises Failure, and Unavailable where the nodes are not known yet."""
    if wanted.graph is not None:
        return await _own_graph(wanted.graph, library)
    version = await library.find_version(wanted.workflow or "", wanted.version)
    if version is None:
        raise Failure("workflow_gone", "this version of the workflow is not kept any more")
    definition, values = version.definition, wanted.parameters or {}
    if not version.is_checked:
        await _hold(definition, library)
    return Ready(
        filled(definition, values),
        picture_places(definition, values),
        is_raw=False,
        wishes=Wishes(definition.skipped_outputs_allowed, definition.previews),
        titles=titles_of(definition.graph),
        seeds=seeds_of(definition, values),
    )


async def _hold(definition: Definition, library: Library) -> None:
    """Hold a workflow that was registered before the backend's nodes were known against them."""
    _, found = definition_flaws(definition, await _classes(definition.graph, library))
    if flaws := [flaw for flaw in found if not flaw.is_doubt]:
        raise Failure("workflow_invalid", f"the workflow does not fit the backend: {_told(flaws)}")


async def _own_graph(sent: Mapping[str, object], library: Library) -> Ready:
    """A caller's graph, held against the rules once more: what the backend has may have been unknown, or is another."""
    graph, flaws = read_raw(sent, library.raw_classes, await _classes(sent, library))
    if flaws:
        raise Failure("workflow_invalid", _told(flaws), fault="caller")
    return Ready(graph, uploads_in(graph), is_raw=True)


async def _classes(graph: Mapping[str, object], library: Library) -> Mapping[str, NodeClass]:
    try:
        classes = await library.find_classes(classes_of(graph))
    except UnreadableError as error:  # waiting will not help
        raise Failure("backend_unreadable", error.detail) from None
    if classes is None:
        raise Unavailable("comfyui", "comfyui has not told its node classes yet")
    return classes


def _told(flaws: Sequence[Flaw]) -> str:
    return "; ".join(f"{flaw.as_json()['pointer']}: {flaw.detail}" for flaw in flaws[:_TOLD_MAX])


def _file_name(upload: str) -> str:
    """No text of a caller's stands where a file is named, so none can be taken for this one."""
    return f"{upload}.png"
