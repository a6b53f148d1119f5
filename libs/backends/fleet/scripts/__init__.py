"""The scripts of the fleet's health and offers; which server a job gets is decided in `libs/jobs/scripts`."""

from __future__ import annotations

from libs.store.script import Script

__all__ = ["LOOK", "OFFER", "PROBED", "SIDELINE"]

SIDELINE = Script.of("libs.backends.fleet.scripts", "state.lua", "sideline.lua", allow_oom=True)
PROBED = Script.of("libs.backends.fleet.scripts", "state.lua", "probed.lua", allow_oom=True)
LOOK = Script.of("libs.backends.fleet.scripts", "state.lua", "look.lua")
OFFER = Script.of("libs.backends.fleet.scripts", "state.lua", "offer.lua")
