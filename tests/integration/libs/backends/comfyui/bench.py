"""A stand-in and a client in a hurry, and what the tests do with them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from libs.backends.comfyui import ComfyUI, OutputFile, Patience
from libs.embedded.comfyui_standin import Fault, Standin
from libs.kinds.generate_graph import picture_graph
from libs.kinds.generate_input import GenerateInput
from libs.kinds.generate_size import picture_size
from tests.fakes.attempt import FakeAttempt
from tests.patience import PATIENCE_S

PATIENCE = Patience(
    connect_s=0.5,
    call_s=0.4,
    fetch_s=0.6,
    poll_s=0.1,
    silence_s=5,
    reconnect_s=0.02,
    away_s=1.0,
    farewell_s=1,
)


#: For tests of what both generations have in common.
one_generation = pytest.mark.parametrize("bench", ["newest"], indirect=True)


@dataclass
class Bench:
    """A stand-in and its client."""

    standin: Standin
    comfyui: ComfyUI
    url: str

    def faults(self, *faults: Fault) -> None:
        self.standin.faults.replace([{"name": one.name, "path": one.path, "times": one.times} for one in faults])

    def attempt(self, job_id: str = "job_00000000000000000000000000") -> FakeAttempt:
        return FakeAttempt(job_id, comfyui=self.comfyui)

    def run(self, attempt: FakeAttempt, *, steps: int = 4, seed: int = 1) -> asyncio.Task[tuple[OutputFile, ...]]:
        """Run a small picture's graph for an attempt."""
        return asyncio.create_task(self.files(graph(steps=steps, seed=seed), attempt))

    async def files(self, wanted: Any, attempt: FakeAttempt) -> tuple[OutputFile, ...]:
        """The files that a graph leaves."""
        return (await self.comfyui.run(wanted, attempt)).files

    @property
    def runs(self) -> int:
        """How many prompts have begun to run."""
        return self.standin.prompts.runs.total()

    def states(self) -> dict[str, str]:
        """How the prompts in the history ended."""
        return {ref: entry["status"]["status_str"] for ref, entry in self.standin.prompts.history_json().items()}


def graph(*, steps: int = 4, seed: int = 1, **members: Any) -> Any:
    """A small picture's graph; `steps` may be more than a caller can ask for."""
    wanted = GenerateInput(prompt="a lighthouse", width=64, height=64, **members).model_copy(update={"steps": steps})
    return picture_graph(
        wanted, model="dreamshaper_8.safetensors", seeds=wanted.seeds(seed), size=picture_size(wanted, None)
    )


async def until(condition: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
    """Wait until it is so; fail when it does not come about."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.005)
