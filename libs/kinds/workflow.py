"""workflow: whatever a registered workflow makes, or a graph of the caller's own."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import anyio
import orjson

from libs import limits
from libs.access.plan import Limits
from libs.backends.comfyui import TOO_SLOW, Graph, Outcome
from libs.backends.comfyui.node_class import NodeClass
from libs.backends.pictures import PICTURE_TYPES
from libs.errors import Failure, Fault, invalid
from libs.kinds.kind import Attempt, Kind, Library, Needs, Offer, Output
from libs.kinds.workflow_input import Order, WorkflowInput
from libs.kinds.workflow_output import output_of
from libs.kinds.workflow_ready import Ready, make_ready
from libs.workflows.classes import RawClasses
from libs.workflows.definition import classes_of
from libs.workflows.flaw import Flaw, refusal
from libs.workflows.graph import inputs_in
from libs.workflows.library import classes_known
from libs.workflows.needs import needs_of
from libs.workflows.order import complete, filled, pictures_of, units_of, uploads_of
from libs.workflows.price import raw_units_of
from libs.workflows.raw import pictures_of_raw, read_raw, uploads_in

__all__ = ["KIND"]

#: Inputs of a graph that are held against its classes within a ms or two.
_INPUTS_AT_ONCE: Final = 400


def scopes(wanted: WorkflowInput) -> Sequence[str]:
    """A graph of the caller's own needs a scope of its own."""
    return () if wanted.graph is None else ("jobs:raw_workflow",)


async def resolve(wanted: WorkflowInput, library: Library) -> WorkflowInput:
    """Fix the version and every parameter, so that each attempt draws the same; or hold the graph against the rules."""
    if wanted.graph is not None:
        return await _resolved_graph(wanted, wanted.graph, library)
    version = await library.find_version(wanted.workflow or "", wanted.version)
    if version is None or version.retired_at_ms is not None:
        member = "workflow" if wanted.version is None else "version"
        raise invalid(f"#/input/{member}", "There is no such workflow, or not in this version", "unknown_workflow")
    values, flaws = complete(version.definition, wanted.parameters or {})
    if flaws:
        raise refusal(flaws, ("input", "parameters"))
    pictures = pictures_of(version.definition)
    graph = filled(version.definition, values)
    order = Order(
        units_of(version.definition, values),
        uploads_of(version.definition, values),
        None if pictures is None else f"parameters/{pictures}",
        needs_of(graph, await classes_known(library, classes_of(graph))),
    )
    return wanted.settled(order, version=version.number, parameters=values)


def needs(wanted: WorkflowInput) -> Needs:
    """A server that has the classes of its nodes and the files that it names."""
    return wanted.order.needs


def cost(wanted: WorkflowInput) -> int:
    """What the workflow declares; of a raw graph its pictures, times a factor from steps and pixels."""
    return wanted.order.units


def check(wanted: WorkflowInput, _offer: Offer, plan: Limits) -> None:
    """Refuse more pictures than the plan allows, and more uploads than one job may read."""
    order = wanted.order
    pictures = order.units if order.pictures is None else order.pictures
    if order.pictures_by is not None and pictures > plan.pictures_per_job:
        detail = f"{pictures} pictures; at most {plan.pictures_per_job} per job on your plan"
        raise invalid(f"#/input/{order.pictures_by}", detail, "over_plan_ceiling")
    if order.units > limits.WORKFLOW_UNITS_MAX:
        most = limits.WORKFLOW_UNITS_MAX
        detail = f"it costs {order.units} units, and a job costs {most} at most: ask for fewer steps or pixels"
        raise invalid("#/input/graph", detail, "too_expensive")
    if len(order.uploads) > limits.WORKFLOW_UPLOADS_MAX:
        member = "parameters" if wanted.graph is None else "graph"
        raise invalid(f"#/input/{member}", f"at most {limits.WORKFLOW_UPLOADS_MAX} uploads per job", "too_many_uploads")


def uploads(wanted: WorkflowInput) -> Sequence[str]:
    """The pictures that it reads."""
    return wanted.order.uploads


def slow_fault(wanted: WorkflowInput) -> Fault:
    """A graph of the caller's own is as slow as they made it; a registered workflow is the operator's."""
    return "ours" if wanted.graph is None else "caller"


async def run(wanted: WorkflowInput, attempt: Attempt) -> Output:
    """Fill the workflow in, have it run, keep every file it leaves."""
    await attempt.progress(0, 1, "submitted")
    ready = await make_ready(wanted, attempt.library)
    with tempfile.TemporaryDirectory(prefix="arqade-") as folder:
        pictures = {name: await _picture(upload, attempt, Path(folder) / name) for name, upload in ready.files()}
        outcome = await _left_by(ready, attempt, pictures)
    return await asyncio.to_thread(output_of, wanted, ready, outcome)


async def timeout_of(wanted: WorkflowInput, library: Library) -> float | None:
    """What the workflow itself says of its time."""
    if wanted.graph is not None:
        return None
    version = await library.find_version(wanted.workflow or "", wanted.version)
    return None if version is None else version.definition.timeout_s


async def abandon(wanted: WorkflowInput, attempt: Attempt) -> None:
    """End the prompt that an earlier attempt left at the backend."""
    if attempt.submission is not None:
        await attempt.backends.comfyui.end(attempt.submission)


async def _resolved_graph(wanted: WorkflowInput, sent: Mapping[str, object], library: Library) -> WorkflowInput:
    classes = await classes_known(library, classes_of(sent))
    if inputs_in(sent) > _INPUTS_AT_ONCE:  # a thread gives way every few ms, and its user has one turn at a time
        graph, flaws = await asyncio.to_thread(_read_graph, sent, library.raw_classes, classes)
    else:
        graph, flaws = _read_graph(sent, library.raw_classes, classes)
    if flaws:
        raise refusal(flaws, ("input", "graph"))
    named = tuple(dict.fromkeys(uploads_in(graph).values()))
    order = Order(raw_units_of(graph), named, "graph", needs_of(graph, classes), pictures_of_raw(graph))
    return wanted.settled(order, graph=graph)


def _read_graph(
    sent: Mapping[str, object], allowed: RawClasses, classes: Mapping[str, NodeClass] | None
) -> tuple[Graph, list[Flaw]]:
    graph, flaws = read_raw(sent, allowed, classes)
    if not flaws and len(orjson.dumps(graph)) > limits.WORKFLOW_BYTES_MAX:
        flaws = [Flaw((), f"at most {limits.WORKFLOW_BYTES_MAX} bytes as JSON", "too_large")]
    return graph, flaws


async def _picture(upload: str, attempt: Attempt, path: Path) -> Path:
    """An upload as a clean picture in a file: several would fill the memory."""
    file = await attempt.open(upload)
    await anyio.Path(path).write_bytes(await attempt.backends.pictures.clean(file.data, file.content_type))
    return path


async def _left_by(ready: Ready, attempt: Attempt, pictures: Mapping[str, Path]) -> Outcome:
    """What a run left. What the backend does not like about a caller's own graph is the caller's doing."""
    try:
        outcome = await attempt.backends.comfyui.run(
            ready.named_graph(), attempt, uploads=pictures, wishes=ready.wishes
        )
    except Failure as failure:
        if not ready.is_raw:
            raise
        if failure.code == "workflow_invalid":
            raise Failure(failure.code, failure.detail, fault="caller") from None
        if failure.code == TOO_SLOW:
            detail = f"{failure.detail}: the graph is too slow, and is charged"
            raise Failure(TOO_SLOW, detail, fault="caller") from None
        raise
    if ready.is_raw and len(outcome.files) > pictures_of_raw(ready.graph):
        raise Failure("output_too_large", "the graph left more files than it was charged for", fault="caller")
    return outcome


KIND = Kind(
    name="workflow",
    queue="gpu",
    input=WorkflowInput,
    run=run,
    summary="What a registered workflow makes, or a graph of your own",
    scopes=scopes,
    resolve=resolve,
    cost=cost,
    check=check,
    uploads=uploads,
    upload_types=PICTURE_TYPES,
    backend="comfyui",
    needs=needs,
    abandon=abandon,
    timeout_s=limits.WORKFLOW_TIMEOUT_S_MAX,
    timeout_of=timeout_of,
    slow_fault=slow_fault,
    attempts_max=3,
    body_bytes_max=limits.GRAPH_BYTES_MAX,
    body_values_max=limits.GRAPH_VALUES_MAX,
)
