from __future__ import annotations

from typing import Any

import pytest

from apps.worker.devices import devices_in
from libs.jobs.devices import Device


def test_every_device_is_told_with_its_memory() -> None:
    stats = {"devices": [{"name": "cuda:0 X", "type": "cuda", "index": 0, "vram_total": 24, "vram_free": 8}]}
    assert devices_in("comfyui", stats) == [Device("comfyui", "cuda:0 X", 24, 8)]


@pytest.mark.parametrize(
    "stats, found",
    [
        ({}, []),
        ({"devices": None}, []),
        ({"devices": ["gpu"]}, []),
        ({"devices": [{}]}, [Device("c", "", 0, 0)]),
        ({"devices": [{"name": None, "vram_total": "much", "vram_free": -1}]}, [Device("c", "None", 0, 0)]),
    ],
)
def test_what_a_server_tells_wrongly_does_no_harm(stats: dict[str, Any], found: list[Device]) -> None:
    assert devices_in("c", stats) == found
