"""The scripts of a limiter, each one round trip. What frees something runs while Redis is full."""

from __future__ import annotations

from libs.store.script import Script

__all__ = ["FEEDBACK", "RESERVE", "STATS"]


def _script(file: str, *, allow_oom: bool = False) -> Script:
    ours = (f"backends/limiter/scripts/{each}" for each in ("limit.lua", file))
    return Script.of("libs", "store/clock.lua", *ours, allow_oom=allow_oom)


RESERVE = _script("reserve.lua")
FEEDBACK = _script("feedback.lua", allow_oom=True)
STATS = _script("stats.lua")
