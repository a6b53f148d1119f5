"""Publishing what the backends compute on, and how full its memory is: the API shows it and never asks a backend."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from libs.backends.comfyui import ComfyUI
from libs.errors import Failure, Unavailable
from libs.jobs.devices import Device, tell_devices
from libs.store.client import Store

__all__ = ["devices_in", "publish_devices"]

log = logging.getLogger(__name__)

_EVERY_S = 30.0


async def publish_devices(store: Store, servers: Sequence[ComfyUI]) -> None:
    """Ask every server each half minute, for ever; what is not told anew is forgotten after two."""
    while True:
        try:
            found = await asyncio.gather(*map(_devices_of, servers))
            await tell_devices(store, [device for devices in found for device in devices])
        except Unavailable as error:
            log.debug("no word about devices: %s", error)
        except Exception:
            log.exception("publishing the devices failed")
        await asyncio.sleep(_EVERY_S)


async def _devices_of(server: ComfyUI) -> list[Device]:
    try:
        return devices_in(server.name, await server.stats())
    except (Unavailable, Failure) as error:
        log.debug("no devices of %s: %s", server.name, error)
        return []


def devices_in(backend: str, stats: Mapping[str, Any]) -> list[Device]:
    """The devices in a ComfyUI's `/system_stats`; what is none is left out."""
    found = stats.get("devices")
    return [
        Device(backend, str(one.get("name", "")), _bytes(one.get("vram_total")), _bytes(one.get("vram_free")))
        for one in (found if isinstance(found, list) else [])
        if isinstance(one, Mapping)
    ]


def _bytes(told: object) -> int:
    return max(0, int(told)) if isinstance(told, int | float) else 0
