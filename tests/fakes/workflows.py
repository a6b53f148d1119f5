"""Registered workflows for tests: a picture from a text, and one that starts from an upload."""

from __future__ import annotations

from typing import Any

from libs.workflows.definition import Definition
from tests.fakes.graphs import node, picture_graph

__all__ = ["definition_of", "from_picture", "parameter", "portrait"]


def parameter(kind: str, name: str, *places: str, **more: Any) -> dict[str, Any]:
    """A parameter; a place is `node.input`."""
    sets = [dict(zip(("node", "input"), place.split("."), strict=True)) for place in places]
    return {"type": kind, "name": name, "sets": sets, **more}


def portrait(**changes: Any) -> dict[str, Any]:
    """The body that registers a picture from a text, with a parameter of nearly every type."""
    parameters = [
        parameter("string", "prompt", "6.text", required=True, min_length=1, max_length=100),
        parameter("string", "avoid", "7.text", default="fog"),
        parameter("integer", "steps", "3.steps", minimum=1, maximum=50),
        parameter("number", "cfg", "3.cfg", minimum=1, maximum=30.5, default=7),
        parameter("choice", "sampler", "3.sampler_name", choices=["euler", "heun"]),
        parameter("seed", "seed", "3.seed"),
        parameter("integer", "pictures", "5.batch_size", minimum=1, maximum=4),
        parameter("integer", "side", "5.width", "5.height", minimum=64, maximum=512, multiple_of=8),
    ]
    body = {"summary": "A portrait", "graph": picture_graph(), "parameters": parameters, "units": "pictures"}
    return body | changes


def from_picture() -> dict[str, Any]:
    """The body that registers an inverted picture."""
    graph = {
        "1": node("LoadImage", image="example.png"),
        "2": node("ImageInvert", image=["1", 0]),
        "3": node("SaveImage", images=["2", 0], filename_prefix="x"),
    }
    return {"graph": graph, "parameters": [parameter("image", "photo", "1.image", required=True)]}


def definition_of(body: dict[str, Any]) -> Definition:
    """The definition that a body tells."""
    return Definition.model_validate(body)
