"""What a caller is given of what a workflow left: files, under the type that their bytes tell, and values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from libs import limits
from libs.artifacts.artifact import NewArtifact
from libs.artifacts.metadata import MARK, without_metadata
from libs.artifacts.sniff import EXTENSIONS, UNKNOWN, sniff
from libs.backends.comfyui import Outcome, OutputFile
from libs.errors import Failure
from libs.kinds.kind import Output
from libs.kinds.workflow_input import WorkflowInput
from libs.kinds.workflow_ready import Ready
from libs.spool import Content, chunks_of

__all__ = ["output_of"]

#: Types that bytes do not tell, by the extension that ComfyUI gave: what is no extension of ours says nothing.
_NAMED: Final[Mapping[str, str]] = {"latent": "application/x-safetensors", "safetensors": "application/x-safetensors"}
_VALUES_NAME: Final = "values.json"


def output_of(wanted: WorkflowInput, ready: Ready, outcome: Outcome) -> Output:
    """The output of a job. Raises Failure where a file would show the graph of a registered workflow."""
    artifacts = [_artifact(index, file, ready) for index, file in enumerate(outcome.files)]
    told: dict[str, Any] = {"files": len(outcome.files)}
    if not ready.is_raw:
        told |= {"workflow": wanted.workflow, "version": wanted.version, "seeds": dict(ready.seeds)}
    if outcome.values and len(orjson.dumps(outcome.values)) <= limits.WORKFLOW_VALUES_BYTES_MAX:
        told["values"] = outcome.values
    elif outcome.values:
        artifacts.append(NewArtifact(_VALUES_NAME, "application/json", orjson.dumps(outcome.values)))
    if outcome.warnings:
        told["warnings"] = list(outcome.warnings)
    return Output(told, tuple(artifacts))


def _artifact(index: int, file: OutputFile, ready: Ready) -> NewArtifact:
    """A file with what identifies it: its node, and what ComfyUI calls it; with the seed where there is one."""
    content_type = sniff(file.head)
    extension = file.name.rpartition(".")[2].lower()
    if content_type == UNKNOWN:
        content_type = _NAMED.get(extension, UNKNOWN)
    data = file.data if ready.is_raw else _without_graph(file, content_type)
    facts: dict[str, object] = {"node": file.node, "file": file.name, "folder": file.subfolder, "type": file.folder}
    if title := ready.titles.get(file.node):
        facts["title"] = title
    if len(ready.seeds) == 1:
        (facts["seed"],) = ready.seeds.values()
    ending = extension if content_type in _NAMED.values() else EXTENSIONS[content_type]
    return NewArtifact(f"{index}.{ending}", content_type, data, facts)


def _without_graph(file: OutputFile, content_type: str) -> Content:
    """The graph of a registered workflow is not the caller's to see, and ComfyUI writes it into what it saves."""
    data = without_metadata(file.data, content_type)
    before = b""
    for chunk in chunks_of(data):
        if MARK in before + chunk:
            raise Failure(
                "graph_in_output",
                f"the file of node {file.node} holds the workflow and is of a type that it cannot be taken out of: "
                "the operator has to start ComfyUI with --disable-metadata",
            )
        before = chunk[-len(MARK) :]
    return data
