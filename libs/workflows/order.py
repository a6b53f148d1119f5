"""From what a caller says of a registered workflow to the graph that is run. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from libs.backends.comfyui import Graph
from libs.workflows.check import Place
from libs.workflows.definition import Definition, default_of
from libs.workflows.flaw import Flaw
from libs.workflows.parameter import RANDOM, ImageParameter, Parameter, SeedParameter

__all__ = ["complete", "filled", "input_schema", "picture_places", "pictures_of", "seeds_of", "units_of", "uploads_of"]


def complete(definition: Definition, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Flaw]]:
    """Every parameter that has a value, seeds drawn, and what is wrong with what was given.

    What is stored of a job are these: whatever becomes of the defaults, it stays what it was.
    """
    return dict(_values(definition, given)), list(_flaws(definition, given))


def filled(definition: Definition, values: Mapping[str, Any]) -> Graph:
    """The graph with a job's values in the places where they go."""
    graph = {node: {**body, "inputs": dict(body["inputs"])} for node, body in definition.graph.items()}
    for parameter in definition.parameters:
        if parameter.name in values:
            for binding in parameter.sets:
                graph[binding.node]["inputs"][binding.input] = values[parameter.name]
    return graph


def units_of(definition: Definition, values: Mapping[str, Any]) -> int:
    """What a job with these values costs."""
    return definition.units if isinstance(definition.units, int) else int(values[definition.units])


def pictures_of(definition: Definition) -> str | None:
    """The parameter that says how many pictures are made, and so what a job costs; None where that is fixed."""
    return definition.units if isinstance(definition.units, str) else None


def picture_places(definition: Definition, values: Mapping[str, Any]) -> dict[Place, str]:
    """The uploads that these values name, by the places where they go."""
    return {
        (binding.node, binding.input): values[one.name]
        for one in definition.parameters
        if isinstance(one, ImageParameter) and one.name in values
        for binding in one.sets
    }


def uploads_of(definition: Definition, values: Mapping[str, Any]) -> tuple[str, ...]:
    """The same uploads, each once."""
    return tuple(dict.fromkeys(picture_places(definition, values).values()))


def seeds_of(definition: Definition, values: Mapping[str, Any]) -> dict[str, int]:
    """The seeds of a job by the name of their parameter."""
    return {one.name: values[one.name] for one in definition.parameters if isinstance(one, SeedParameter)}


def input_schema(name: str, number: int, definition: Definition) -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of the input of a job that runs this version."""
    required = [one.name for one in definition.parameters if one.required]
    parameters = {
        "type": "object",
        "properties": {one.name: _schema_of(one, definition.graph) for one in definition.parameters},
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": name,
        **({"description": definition.summary} if definition.summary else {}),
        "type": "object",
        "properties": {"workflow": {"const": name}, "version": {"const": number}, "parameters": parameters},
        "required": ["workflow", *(["parameters"] if required else [])],
        "additionalProperties": False,
    }


def _values(definition: Definition, given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for parameter in definition.parameters:
        value = given.get(parameter.name)
        if isinstance(parameter, SeedParameter):
            value = parameter.drawn() if value in (None, RANDOM) else value
        elif value is None:
            value = default_of(parameter, definition.graph)
        if value is not None:
            yield parameter.name, value


def _flaws(definition: Definition, given: Mapping[str, Any]) -> Iterator[Flaw]:
    known = {parameter.name: parameter for parameter in definition.parameters}
    for name in given:
        if name not in known:
            detail = f"the workflow has no such parameter; it has: {', '.join(known) or 'none'}"
            yield Flaw((name,), detail, "unknown_member")
    for name, parameter in known.items():
        if name not in given:
            if parameter.required:
                yield Flaw((name,), "this parameter is required", "required")
        elif wrong := parameter.wrong_with(given[name]):
            yield Flaw((name,), *wrong)


def _schema_of(parameter: Parameter, graph: Graph) -> dict[str, Any]:
    told = parameter.schema_of()
    if parameter.description:
        told["description"] = parameter.description
    default = default_of(parameter, graph)
    return told if default is None else {**told, "default": default}
