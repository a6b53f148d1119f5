"""How far a whole graph is: its nodes run one after the other, each telling of itself alone. Pure.

Where there are samplers, their steps are what takes time; where there are none, every node counts alike. Whatever a
node tells, the whole never goes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from libs.backends.comfyui.events import Progress

__all__ = ["GraphProgress"]


class GraphProgress:
    """The nodes of one graph, and what each has done."""

    def __init__(self, graph: Mapping[str, Mapping[str, Any]]) -> None:
        steps: dict[str, float] = {node: told for node, body in graph.items() if (told := _steps_of(body))}
        self._totals: dict[str, float] = steps or dict.fromkeys(graph, 1.0)
        self._by_steps = bool(steps)
        self._done: dict[str, float] = {}
        self._running: str | None = None
        self._furthest = 0.0

    def begin(self, node: str) -> None:
        """A node begins: the one before it has ended."""
        if self._running in self._totals and node != self._running and not self._by_steps:
            self._done[self._running] = 1.0
        self._running = node

    def overall(self, told: Progress) -> Progress:
        """The same for the whole graph."""
        if told.node is not None:
            self.begin(told.node)
        if told.node in self._totals:
            if self._by_steps:
                self._totals[told.node] = told.total
            self._done[told.node] = told.done if self._by_steps else told.done / told.total
        total = sum(self._totals.values())
        self._furthest = max(self._furthest, sum(self._done.values()) / total)
        return replace(told, done=self._furthest * total, total=total)


def _steps_of(body: Mapping[str, Any]) -> int | None:
    """The steps that a sampler says it takes; None of any other node."""
    steps = body.get("inputs", {}).get("steps")
    return steps if isinstance(steps, int) and steps > 0 and "Sampler" in str(body.get("class_type")) else None
