"""The scripts of a breaker, each one round trip. They free more than they take, so they run while Redis is full."""

from __future__ import annotations

from libs.store.script import Script

__all__ = ["ENTER", "KEEP", "LEAVE", "LOOK"]


def _script(file: str) -> Script:
    ours = (f"backends/breaker/scripts/{each}" for each in ("circuit.lua", file))
    return Script.of("libs", "store/clock.lua", *ours, allow_oom=True)


ENTER = _script("enter.lua")
KEEP = _script("keep.lua")
LEAVE = _script("leave.lua")
LOOK = _script("look.lua")
