"""The devices that backends compute on, as the workers last heard of them: the API never asks a backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import orjson

from libs.store.client import Store

__all__ = ["Device", "list_devices", "tell_devices"]

#: How long a word about a backend's devices stands.
_KEPT_S = 120


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU, or whatever a backend computes on, and its memory."""

    backend: str
    name: str
    memory_bytes: int
    memory_free_bytes: int


async def tell_devices(store: Store, devices: Sequence[Device]) -> None:
    """Replace what is known of all devices. Raises Unavailable."""
    await store.call("SET", store.keys.devices, orjson.dumps([asdict(device) for device in devices]), "EX", _KEPT_S)


async def list_devices(store: Store) -> list[Device]:
    """What was last told, if that was lately. Raises Unavailable."""
    stored = await store.call("GET", store.keys.devices)
    return [Device(**one) for one in orjson.loads(stored)] if stored else []
