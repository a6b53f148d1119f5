"""What a raw graph costs: its pictures, times a factor where it does more than `generate` may for as many. Pure.

::

    work   = Σ over samplers of  steps · max(1, pixels / 4,194,304)
    units  = pictures · max(1, ⌈work / (150 · ends)⌉)

`ends` are the nodes that nobody reads from. What cannot be told from the graph counts as the most it could be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from libs.backends.comfyui import Graph
from libs.workflows.graph import is_link
from libs.workflows.raw import UPLOAD, ends_of, pictures_of_raw

__all__ = ["raw_units_of"]

#: What `generate` takes for one picture: that many steps, at as many pixels.
STEPS_MAX: Final = 150
PIXELS_MAX: Final = 2_048 * 2_048

#: ComfyUI's own ceilings, for what a link brings or nobody says; and the largest picture that an upload may be.
_STEPS_WORST: Final = 10_000
_SIDE_WORST: Final = 16_384
_WORST: Final = _SIDE_WORST * _SIDE_WORST
_UPLOAD_PIXELS: Final = 25_000_000
_UPSCALED: Final = 16  # four times a side, what most upscale models make
_MEGAPIXEL: Final = 1_024 * 1_024

#: Inputs that bring no picture and no latent: whatever size stands behind them is not what is sampled.
_NO_PIXELS: Final = frozenset(
    {
        *("model", "model_negative", "clip", "vae", "sampler", "guider", "noise", "sigmas", "mask", "masks"),
        *("positive", "negative", "positive_inpaint", "conditioning", "conditioning_1", "conditioning_2"),
        *("control_net", "style_model", "clip_vision", "clip_vision_output", "upscale_model"),
    }
)


def raw_units_of(graph: Graph) -> int:
    """The units of a graph that was read."""
    sizes = _Sizes(graph)
    work = sum(steps * max(1.0, sizes.of(node) / PIXELS_MAX) for node, steps in _samplers(graph))
    return pictures_of_raw(graph) * max(1, math.ceil(work / (STEPS_MAX * max(1, len(ends_of(graph))))))


def _samplers(graph: Graph) -> Iterator[tuple[str, int]]:
    """The nodes that sample, each with its steps; a node that makes sigmas for others does not."""
    sigmas = _Sigmas(graph)
    for node, body in graph.items():
        inputs = _named(body)
        if node not in sigmas.makers and ("steps" in inputs or any(map(_is_sigmas, inputs))):
            yield node, sigmas.steps_of(node)


def _named(body: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a node by their own names: one that belongs to a choice is called `choice.name`."""
    return {name.rpartition(".")[2]: value for name, value in body["inputs"].items()}


def _is_sigmas(name: str) -> bool:
    return name.startswith("sigmas")


def _literal(value: Any, worst: int) -> int:
    """A number as it stands there; the worst where it is a link."""
    return max(0, int(value)) if isinstance(value, int | float) else worst


class _Sigmas:
    """How many steps the sigmas have that nodes make for one another."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[str, int] = {}
        self.makers = {
            value[0]
            for body in graph.values()
            for name, value in body["inputs"].items()
            if _is_sigmas(name) and is_link(value)
        }

    def steps_of(self, node: str) -> int:
        """Its own steps, or those of the sigmas that it is given; of one that makes more of them, both."""
        if node not in self._known:
            self._known[node] = min(_STEPS_WORST, self._count(_named(self._graph[node])))
        return self._known[node]

    def _count(self, inputs: Mapping[str, Any]) -> int:
        given = [value for name, value in inputs.items() if _is_sigmas(name)]
        brought = sum(self.steps_of(value[0]) if is_link(value) else _STEPS_WORST for value in given)
        if "steps" not in inputs:
            return brought if given else _STEPS_WORST
        own = _literal(inputs["steps"], _STEPS_WORST)
        return brought * (own + 1) if given else own


class _Sizes:
    """How many pixels what a node puts out may have, frames of a film among them."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[str, float] = {}

    def of(self, node: str) -> float:
        """The pixels of one picture of its output."""
        if node not in self._known:
            self._known[node] = min(float(_WORST), self._count(self._graph[node]))
        return self._known[node]

    def _count(self, body: Mapping[str, Any]) -> float:
        inputs = _named(body)
        frames = max(1, _literal(inputs["length"], _SIDE_WORST)) if "length" in inputs else 1
        if "width" in inputs or "height" in inputs:
            sides = [_literal(inputs[name], _SIDE_WORST) for name in ("width", "height") if name in inputs]
            longest = max(sides)  # a side of 0, or none, follows the other
            return frames * longest * (min(sides) or longest if len(sides) > 1 else longest)
        if "megapixels" in inputs:
            value = inputs["megapixels"]
            return frames * (value * _MEGAPIXEL if isinstance(value, int | float) else _WORST)
        return frames * self._brought(inputs) * self._scale(inputs, body["class_type"])

    def _brought(self, inputs: Mapping[str, Any]) -> float:
        """What its own inputs bring, put together: side by side it is as large as that."""
        pixels = 0.0
        for name, value in inputs.items():
            if is_link(value) and name not in _NO_PIXELS:
                pixels += self.of(value[0])
            elif isinstance(value, str) and UPLOAD.fullmatch(value):
                pixels += _UPLOAD_PIXELS
        return pixels

    def _scale(self, inputs: Mapping[str, Any], class_type: str) -> float:
        if "scale_by" in inputs:
            by = inputs["scale_by"]
            return float(by) ** 2 if isinstance(by, int | float) else float(_WORST)
        return _UPSCALED if "UpscaleWithModel" in class_type else 1
