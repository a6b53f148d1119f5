"""How far a graph with several samplers is: they run one after the other, each telling of itself alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from libs.backends.comfyui.events import Progress

__all__ = ["SamplerProgress"]


class SamplerProgress:
    """The samplers of one graph, and what each has done of its steps."""

    def __init__(self, graph: Mapping[str, Mapping[str, Any]]) -> None:
        self._steps: dict[str, float] = {node: steps for node, body in graph.items() if (steps := _steps_of(body))}
        self._done: dict[str, float] = {}

    def overall(self, told: Progress) -> Progress:
        """The same for all samplers together; what another node tells stays as it is."""
        if told.node not in self._steps or len(self._steps) == 1:
            return told
        self._steps[told.node] = told.total
        self._done[told.node] = told.done
        return Progress(told.prompt_id, told.node, sum(self._done.values()), sum(self._steps.values()))


def _steps_of(body: Mapping[str, Any]) -> int | None:
    """The steps that a sampler says it takes; None of any other node."""
    steps = body.get("inputs", {}).get("steps")
    return steps if isinstance(steps, int) and "Sampler" in str(body.get("class_type")) else None
