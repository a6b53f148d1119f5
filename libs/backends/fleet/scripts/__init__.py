"""The scripts of the fleet's health and offers; which server a job gets is decided in `libs/jobs/scripts`."""

from __future__ import annotations

from libs.store.script import Script

__all__ = ["LOOK", "OFFER", "PROBED", "SIDELINE"]


def _script(file: str, *, allow_oom: bool = False) -> Script:
    ours = (f"backends/fleet/scripts/{each}" for each in ("state.lua", file))
    return Script.of("libs", "store/clock.lua", *ours, allow_oom=allow_oom)


SIDELINE = _script("sideline.lua", allow_oom=True)
PROBED = _script("probed.lua", allow_oom=True)
LOOK = _script("look.lua")
OFFER = _script("offer.lua")
