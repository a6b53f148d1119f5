"""A server of the fleet is looked after by one worker at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from apps.worker.probing import Prober
from libs import limits
from libs.backends.breaker import Breaker
from libs.backends.comfyui import ComfyUI
from libs.backends.configured import ConfiguredBackend, ConfiguredServer
from libs.backends.fleet.health import Health, look_at
from libs.embedded.comfyui_standin import Standin
from libs.store.client import Store
from libs.workflows.node_classes import UnreadableError, find_classes
from tests.integration.libs.backends.comfyui.bench import graph
from tests.patience import PATIENCE_S

GRAPH = graph(steps=150)


@dataclass
class Ward:
    store: Store
    standin: Standin
    server: ComfyUI
    configured: ConfiguredServer

    def prober(self, worker: str, every_s: float = 0.05) -> Prober:
        fleet = ConfiguredBackend("comfyui", "comfyui", is_configured=True, servers=(self.configured,))
        health = Health(self.store, self.configured, Breaker(self.store, "a", part="comfyui"), ["gpu"])
        return Prober(self.store, fleet, self.server, health, worker, ["gpu"], every_s=every_s)


@pytest.fixture
async def ward(store: Store) -> AsyncIterator[Ward]:
    standin = Standin(step_ms=50)
    async with standin.listening() as port:
        url = f"http://127.0.0.1:{port}"
        server = ComfyUI(url, name="a")
        yield Ward(store, standin, server, ConfiguredServer("a", url))
        await server.aclose()


@asynccontextmanager
async def probing(prober: Prober) -> AsyncIterator[None]:
    task = asyncio.create_task(prober.keep_probing())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_what_a_server_is_and_offers_is_told_within_its_first_probe(ward: Ward) -> None:
    async with probing(ward.prober("w1")), asyncio.timeout(PATIENCE_S):
        while not (found := await look_at(ward.store, "a")).offered:
            await asyncio.sleep(0.01)
        while not (whole := await ward.store.call("GET", ward.store.keys.catalogue + "comfyui")):
            await asyncio.sleep(0.01)
    assert (found.state, found.version) == ("well", {"comfyui": "0.8.0"})
    assert b"dreamshaper_8.safetensors" in whole


async def test_a_class_that_cannot_be_read_takes_away_itself_and_is_told(
    ward: Ward, caplog: pytest.LogCaptureFixture
) -> None:
    ward.standin.routes.more_classes = {"Odd": {"input": 7}}
    async with probing(ward.prober("w1")), asyncio.timeout(PATIENCE_S):
        while not (found := await look_at(ward.store, "a")).problems:
            await asyncio.sleep(0.01)
    assert found.problems == ["the node class 'Odd' cannot be used: its declaration is not understood"]
    assert "server a: the node class 'Odd' cannot be used" in caplog.text
    classes = await find_classes(ward.store, ["a"], ["Odd", "KSampler"]) or {}
    assert (bool(classes["Odd"].unread), bool(classes["KSampler"].unread)) == (True, False)


async def test_a_server_with_very_much_to_tell_is_read_all_the_same(ward: Ward) -> None:
    """A list of ten times 5,000 LoRAs in each of ten packages, and 10,000 pictures in its input folder."""
    loras = [f"styles/{number:05}-{'x' * 50}.safetensors" for number in range(5_000)]
    pictures = [f"{number:05}-{'y' * 50}.png" for number in range(10_000)]
    package = {"input": {"required": {f"lora_{n}": [loras, {}] for n in range(10)}}, "output": ["MODEL"]}
    load = {"input": {"required": {"image": [pictures, {"image_upload": True}]}}, "output": ["IMAGE", "MASK"]}
    ward.standin.routes.more_classes = {"LoadImage": load, **{f"Package{n}": package for n in range(10)}}
    async with probing(ward.prober("w1")), asyncio.timeout(PATIENCE_S):
        while not (found := await look_at(ward.store, "a")).offered:
            await asyncio.sleep(0.01)
    assert found.problems == []
    assert found.offered > 5_000
    classes = await find_classes(ward.store, ["a"], ["LoadImage", "Package3"]) or {}
    assert classes["Package3"].inputs["lora_1"].choices == tuple(loras)
    assert classes["LoadImage"].inputs["image"].is_picture


@pytest.mark.parametrize("ceiling", [True, False])
async def test_what_cannot_be_read_at_all_is_said_and_not_waited_for(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, ceiling: bool
) -> None:
    if ceiling:
        monkeypatch.setattr(limits, "OBJECT_INFO_BYTES_MAX", 1_000)
    else:
        ward.standin.faults.replace([{"name": "garbage", "path": "/object_info"}])
    async with probing(ward.prober("w1")), asyncio.timeout(PATIENCE_S):
        while not (found := await look_at(ward.store, "a")).problems:
            await asyncio.sleep(0.01)
    assert found.state == "well"
    assert found.problems[0].startswith("its /object_info")
    with pytest.raises(UnreadableError):
        await find_classes(ward.store, ["a"], ["KSampler"])


async def test_one_worker_probes_and_when_it_goes_another_does(ward: Ward) -> None:
    key, patient = ward.store.keys.probing + "a", 1.0  # a turn is three times as long: no busy machine loses it
    async with asyncio.timeout(PATIENCE_S), probing(ward.prober("w2", patient)):
        async with probing(ward.prober("w1", patient)):
            while not (first := await holder(ward, key)):
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            assert await holder(ward, key) == first
        while await holder(ward, key) != "w2":
            await asyncio.sleep(0.01)


async def holder(ward: Ward, turn: str) -> str:
    """Whose turn it is."""
    told: bytes = await ward.store.call("GET", turn) or b""
    return told.decode().partition(" ")[0]


async def test_prompts_that_were_left_behind_are_ended(ward: Ward) -> None:
    ward.standin.prompts.put("stray", GRAPH, None)
    ward.standin.prompts.put("waiting", GRAPH, None)
    strays = ward.store.keys.strays + "a"
    await ward.store.call("SADD", strays, "stray", "waiting", "long-gone")
    async with probing(ward.prober("w1")), asyncio.timeout(PATIENCE_S):
        while await ward.store.call("SCARD", strays) or ward.standin.prompts.remaining:
            await asyncio.sleep(0.01)


async def test_a_prompt_that_cannot_be_ended_does_not_keep_its_server_away(ward: Ward) -> None:
    ward.standin.faults.replace([{"name": "status_500", "path": "/api/jobs"}])
    await ward.store.call("SADD", ward.store.keys.strays + "a", "stray")
    async with probing(ward.prober("w1")), asyncio.timeout(PATIENCE_S):
        while not (await look_at(ward.store, "a")).seen_at_ms:
            await asyncio.sleep(0.01)
    assert (await look_at(ward.store, "a")).state == "well"
    assert await ward.store.call("SCARD", ward.store.keys.strays + "a") == 1
