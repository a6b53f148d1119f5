"""What a run says of its server's health."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from libs.backends.comfyui import ComfyUI
from libs.embedded.comfyui_standin import Fault
from libs.errors import Failure, Unavailable
from tests.integration.libs.backends.comfyui.bench import PATIENCE, Bench, graph, one_generation


@dataclass
class Ear:
    """Hears what is told of a server."""

    heard_of: list[bool | str] = field(default_factory=list)

    async def heard(self, *, good: bool) -> None:
        self.heard_of.append(good)

    async def sideline(self, why: str) -> None:
        self.heard_of.append(why)


@pytest.fixture
async def server(bench: Bench) -> AsyncIterator[tuple[ComfyUI, Ear]]:
    ear = Ear()
    client = ComfyUI(bench.url, 20, name="a", patience=PATIENCE, health=ear)
    yield client, ear
    await client.aclose()


@one_generation
async def test_a_broken_device_is_told_and_the_job_may_run_elsewhere(bench: Bench, server: tuple[ComfyUI, Ear]) -> None:
    client, ear = server
    bench.faults(Fault("device_fault"))
    with pytest.raises(Failure) as caught:
        await client.run(graph(), bench.attempt())
    assert (caught.value.code, caught.value.retryable) == ("device_fault", True)
    assert "CUDA" not in caught.value.detail
    assert ear.heard_of == ["device_fault"]


@one_generation
async def test_a_run_that_ends_well_or_in_a_failure_of_its_own_speaks_for_its_server(
    bench: Bench, server: tuple[ComfyUI, Ear]
) -> None:
    client, ear = server
    await client.run(graph(), bench.attempt("job_a"))
    bench.faults(Fault("error"))
    with pytest.raises(Failure):
        await client.run(graph(seed=2), bench.attempt("job_b"))
    assert ear.heard_of == [True, True]


@one_generation
async def test_a_server_that_is_away_is_told(bench: Bench, server: tuple[ComfyUI, Ear]) -> None:
    client, ear = server
    bench.faults(Fault("garbage"))
    with pytest.raises(Unavailable):
        await client.run(graph(), bench.attempt())
    assert ear.heard_of == [False]
