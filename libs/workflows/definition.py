"""A registered workflow: a graph and the parameters that callers may set, and what is wrong with one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import orjson
from pydantic import FailFast, Field

from libs import limits
from libs.backends.comfyui import Graph
from libs.backends.comfyui.node_class import NodeClass
from libs.strict import Strict, at_most
from libs.workflows.check import Place, graph_flaws
from libs.workflows.flaw import Flaw, sorted_out
from libs.workflows.graph import is_link, link_flaws, read_graph
from libs.workflows.literal import wrong_with
from libs.workflows.parameter import ImageParameter, IntegerParameter, Parameter, SeedParameter

__all__ = ["Definition", "NewWorkflow", "WorkflowName", "classes_of", "default_of", "definition_flaws"]

WorkflowName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=64)]

_PREFIX: Final = "filename_prefix"


class Definition(Strict):
    """What an admin registers.

    `units` is what a job costs: a number, or the name of an integer parameter (the pictures it asks for).
    `skipped_outputs_allowed` takes a run for good in which the backend left out some of the outputs. With `previews`
    what nodes only show is kept beside what is saved. `timeout_s` is how long one attempt may take (else JOB_TIMEOUT).
    """

    summary: Annotated[str, Field(max_length=200)] = ""
    graph: Annotated[
        dict[str, Any],
        Field(description="In ComfyUI's API format", max_length=limits.WORKFLOW_NODES_MAX),
        at_most(limits.WORKFLOW_NODES_MAX),
    ]
    parameters: Annotated[
        tuple[Parameter, ...],
        FailFast(),  # what is wrong with one may be a hundred things
        Field(max_length=limits.WORKFLOW_PARAMETERS_MAX, strict=False),
        at_most(limits.WORKFLOW_PARAMETERS_MAX),
    ] = ()
    units: Annotated[int, Field(ge=1, le=limits.WORKFLOW_UNITS_MAX)] | Annotated[str, Field(max_length=64)] = 1
    skipped_outputs_allowed: bool = False
    previews: bool = False
    timeout_s: Annotated[int, Field(ge=1, le=limits.WORKFLOW_TIMEOUT_S_MAX)] | None = None


class NewWorkflow(Definition):
    """A definition and the name that it is registered under."""

    name: WorkflowName


def classes_of(graph: Mapping[str, Any]) -> frozenset[str]:
    """The names of the node classes that a graph asks for, whatever shape it has."""
    found = (body.get("class_type") for body in graph.values() if isinstance(body, dict))
    return frozenset(name for name in found if isinstance(name, str) and len(name) <= limits.WORKFLOW_NAME_LENGTH_MAX)


def definition_flaws(sent: Definition, classes: Mapping[str, NodeClass] | None) -> tuple[Definition, list[Flaw]]:
    """The definition with nothing in its graph but what was understood, and what is wrong with it, doubts last.

    Without `classes` nothing is held against the backend's nodes: whoever runs it does.
    """
    graph, flaws = read_graph(sent.graph)
    if flaws:
        return sent, [flaw.below("graph") for flaw in flaws]
    read = sent.model_copy(update={"graph": graph})
    filled = {place for parameter in sent.parameters if _replaces(parameter) for place in _places(parameter)}
    found = link_flaws(graph) if classes is None else graph_flaws(graph, classes, filled)
    sure, doubts = sorted_out(found)
    flaws = [flaw.below("graph") for flaw in sure]
    flaws += _size_flaws(read)
    flaws += _naming_flaws(read)
    for index, parameter in enumerate(sent.parameters):
        flaws += [flaw.below("parameters", index) for flaw in _parameter_flaws(parameter, graph, classes)]
    return read, flaws + [flaw.below("graph") for flaw in doubts]


def default_of(parameter: Parameter, graph: Graph) -> Any:
    """What a parameter is when a caller says nothing: None where it must be said, or is drawn."""
    if parameter.required or isinstance(parameter, SeedParameter | ImageParameter):
        return None
    if parameter.default is not None:
        return parameter.default
    first = parameter.sets[0]
    return graph[first.node]["inputs"].get(first.input)


def _replaces(parameter: Parameter) -> bool:
    """Whether what stands in the graph is never used."""
    if isinstance(parameter, SeedParameter) or parameter.required:
        return True
    return not isinstance(parameter, ImageParameter) and parameter.default is not None


def _places(parameter: Parameter) -> Iterator[Place]:
    for binding in parameter.sets:
        yield binding.node, binding.input


def _size_flaws(read: Definition) -> Iterator[Flaw]:
    if len(orjson.dumps(read.model_dump(mode="json"))) > limits.WORKFLOW_BYTES_MAX:
        yield Flaw((), f"at most {limits.WORKFLOW_BYTES_MAX} bytes as JSON", "too_large")


def _naming_flaws(read: Definition) -> Iterator[Flaw]:
    """Names and places that two parameters claim, and units that no parameter tells."""
    names: set[str] = set()
    places: set[Place] = set()
    for index, parameter in enumerate(read.parameters):
        if parameter.name in names:
            yield Flaw(("parameters", index, "name"), "another parameter has this name", "taken")
        names.add(parameter.name)
        for number, place in enumerate(_places(parameter)):
            if place in places:
                yield Flaw(("parameters", index, "sets", number), "another parameter goes there", "taken")
            places.add(place)
    if isinstance(read.units, str):
        yield from _units_flaws(read, read.units)


def _units_flaws(read: Definition, name: str) -> Iterator[Flaw]:
    told = next((one for one in read.parameters if one.name == name), None)
    if not isinstance(told, IntegerParameter):
        yield Flaw(("units",), "a number, or the name of an integer parameter", "no_such_parameter")
    elif told.minimum < 1 or told.maximum > limits.WORKFLOW_UNITS_MAX:
        yield Flaw(("units",), f"that parameter must lie within 1 and {limits.WORKFLOW_UNITS_MAX}", "out_of_range")


def _parameter_flaws(parameter: Parameter, graph: Graph, classes: Mapping[str, NodeClass] | None) -> Iterator[Flaw]:
    broken = False
    for number, (node, name) in enumerate(_places(parameter)):
        wrong = _binding_flaw(parameter, node, name, graph, classes)
        if wrong:
            broken = True
            yield Flaw(("sets", number), *wrong)
    if not broken:
        yield from _value_flaws(parameter, graph, classes)


def _binding_flaw(
    parameter: Parameter, node: str, name: str, graph: Graph, classes: Mapping[str, NodeClass] | None
) -> tuple[str, str] | None:
    if node not in graph:
        return f"there is no node {node!r}", "unknown_node"
    given = graph[node]["inputs"].get(name)
    if is_link(given):
        return "this input is a link, and a parameter replaces a value", "link"
    if name == _PREFIX or not parameter.suits(name):
        return "free text does not go where a file or an address is meant: make it a choice", "input_not_allowed"
    if classes is None:
        return None if given is not None else (f"node {node!r} gives no value to {name!r}", "unknown_input")
    return _type_flaw(parameter, name, classes.get(graph[node]["class_type"], NodeClass()), graph[node]["inputs"])


def _type_flaw(parameter: Parameter, name: str, source: NodeClass, given: Mapping[str, Any]) -> tuple[str, str] | None:
    """An input that is not declared, of a class that was read or not, is known by its value in the graph alone."""
    declared = source.inputs_for(given, _open_to(source)).get(name)
    if declared is None:
        return None if given.get(name) is not None else (f"the node has no input {name!r}", "unknown_input")
    if not parameter.fits(declared):
        types = "/".join(sorted(declared.types))
        return f"a parameter of the type {parameter.type} does not go into {types}", "wrong_type"
    return None


def _value_flaws(parameter: Parameter, graph: Graph, classes: Mapping[str, NodeClass] | None) -> Iterator[Flaw]:
    """What it may be must be what the nodes take: its default, its bounds, its choices."""
    value = default_of(parameter, graph)
    if value is None and not parameter.required and not isinstance(parameter, SeedParameter | ImageParameter):
        yield Flaw((), "required, or with a default, or with a value in the graph", "no_default")
    if value is not None and (wrong := parameter.wrong_with(value)):
        yield Flaw(("default",), *wrong)
    for member, bound in _extremes(parameter):
        for node, name in _places(parameter) if classes else ():
            source = (classes or {})[graph[node]["class_type"]]
            declared = source.inputs_for(graph[node]["inputs"], _open_to(source)).get(name)
            doubt = wrong_with(bound, declared) if declared else None
            if doubt and not doubt[2]:
                yield Flaw(member, f"node {node!r}: {doubt[0]}", doubt[1])


def _open_to(source: NodeClass) -> list[str]:
    """The choices of a class that bring inputs along: another parameter may make them."""
    return [name for name, one in source.all_inputs() if one.dependent]


def _extremes(parameter: Parameter) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """The values at the ends of what it may be, and where they are told."""
    match parameter.type:
        case "integer" | "number":
            yield ("minimum",), parameter.minimum
            yield ("maximum",), parameter.maximum
        case "seed":
            yield ("maximum",), parameter.maximum
        case "choice":
            for index, choice in enumerate(parameter.choices):
                yield ("choices", index), choice
        case _:
            return
