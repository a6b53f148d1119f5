"""The scripts that move a job, and the fragments they share. Each is one atomic step and one round trip.

A script is the fragments it needs, in order, and its own file at the end. Scripts that end or renew work run even
when Redis is out of memory (`allow_oom`): what they free is what the others wait for.
"""

from __future__ import annotations

from libs.store.script import Script

__all__ = ["ADMIT", "CANCEL", "CLAIM", "FINISH", "FOREIGN", "RENEW", "REPORT", "SWEEP", "TAKE", "WAKE"]

_ENDING = ("clock.lua", "fair.lua", "settle.lua", "tell.lua", "ending.lua")


def _script(*files: str, allow_oom: bool = False) -> Script:
    return Script.of("libs.jobs.scripts", *files, allow_oom=allow_oom)


ADMIT = _script("clock.lua", "rate.lua", "credential.lua", "fair.lua", "settle.lua", "admit.lua")
TAKE = _script("clock.lua", "rate.lua", "credential.lua", "take.lua")
CLAIM = _script(*_ENDING, "due.lua", "claim.lua")
RENEW = _script("clock.lua", "fair.lua", "renew.lua", allow_oom=True)
REPORT = _script("clock.lua", "tell.lua", "report.lua")
FINISH = _script(*_ENDING, "finish.lua", allow_oom=True)
FOREIGN = _script("clock.lua", "fair.lua", "foreign.lua", allow_oom=True)
CANCEL = _script(*_ENDING, "cancel.lua", allow_oom=True)
WAKE = _script(*_ENDING, "wake.lua", allow_oom=True)
SWEEP = _script(*_ENDING, "sweep.lua", allow_oom=True)
