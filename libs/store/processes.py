"""The processes that say something of themselves, as they said it last."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from libs.store.client import Store
from libs.store.script import Script

__all__ = ["Process", "list_processes", "say"]

_SAY: Final = Script.of("libs.store", "clock.lua", "say.lua")
_KEPT_MS: Final = 60_000
_LISTED_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Process:
    """One of them: what it said, and how long ago."""

    id: str
    said: Mapping[str, Any]
    heard_s_ago: float


async def say(store: Store, process: str, words: Mapping[str, Any]) -> None:
    """Say it for a minute. Raises Unavailable: StoreFull and StoreReadOnly where Redis takes no such write."""
    await store.run(_SAY, (), (process, orjson.dumps(dict(words)), _KEPT_MS))


async def list_processes(store: Store) -> list[Process]:
    """Those that were heard within a minute, the latest first. Raises Unavailable."""
    listed, (seconds, micros) = await asyncio.gather(
        store.call("ZREVRANGE", store.keys.processes, 0, _LISTED_MAX - 1, "WITHSCORES"), store.call("TIME")
    )
    now_ms, ids = int(seconds) * 1_000 + int(micros) // 1_000, [one.decode() for one in listed[::2]]
    said = await asyncio.gather(*[store.call("GET", store.keys.process + one) for one in ids])
    return [
        Process(one, orjson.loads(words), max(0.0, (now_ms - float(until) + _KEPT_MS) / 1_000))
        for one, until, words in zip(ids, listed[1::2], said, strict=True)
        if words is not None
    ]
