"""The scripts that move a job, and the fragments they share. Each is one atomic step and one round trip.

A script is the fragments it needs, in order, and its own file at the end. Scripts that end or renew work run even
when Redis is out of memory (`allow_oom`): what they free is what the others wait for. So do those that a reader or an
admin needs to get there: they write next to nothing, and what they write expires or is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable

from libs.store.script import Script

__all__ = [
    "ADMIT",
    "ADMIT_BATCH",
    "ADMIT_COMPARISON",
    "ADMIT_ITEMS",
    "CANCEL",
    "CANCEL_BATCH",
    "CLAIM",
    "CLOSE_BATCH",
    "DRAFT_BATCH",
    "END_DEAD",
    "FINISH",
    "FOREIGN",
    "FORGET_BATCH",
    "FORGET_JOBS",
    "KEEP_RESULTS",
    "LEAVE_ARCHIVED",
    "LOOK_OVER",
    "MEND",
    "OPEN_GATE",
    "PROLONG_BATCH",
    "RECOUNT",
    "RENEW",
    "REPORT",
    "RESHARE",
    "REVIVE",
    "SET_QUEUE",
    "SHUT_GATE",
    "SWEEP",
    "TAKE",
    "TAKE_BATCHES",
    "TAKE_OF_ADDRESS",
    "WAKE",
    "YIELD_JOBS",
]

_CLOCK = "store/clock.lua"
_STORED = "artifacts/scripts/stored.lua"
_BYTES = "record_bytes.lua"
_JUDGING = (_CLOCK, "rate.lua", "credential.lua", "fair.lua", "settle.lua", _STORED, _BYTES, "judge.lua")
_CONCLUDING = ("tell.lua", "result.lua", "conclude.lua")
_ENDING = (
    *(_CLOCK, "fair.lua", "slots.lua", "settle.lua", _STORED, _BYTES, "outbox.lua"),
    *(*_CONCLUDING, "gate.lua", "batch.lua", "ending.lua"),
)


def _placed(files: Iterable[str]) -> list[str]:
    return [file if "/" in file else f"jobs/scripts/{file}" for file in files]


def _script(*files: str, allow_oom: bool = False) -> Script:
    return Script.of("libs", *_placed(files), allow_oom=allow_oom)


def _act(*files: str) -> Script:
    """What an admin does: it is written into the audit log by the same script, also while Redis is full."""
    *fragments, last = _placed(files)
    return Script.of("libs", *fragments, "audit/sha256.lua", "audit/record.lua", last, allow_oom=True)


ADMIT = _script(*_JUDGING, "outbox.lua", "enter.lua", *_CONCLUDING, "known.lua", "admit.lua")
TAKE_OF_ADDRESS = _script(_CLOCK, "rate.lua", "take_of_address.lua")
TAKE = _script(_CLOCK, "rate.lua", "credential.lua", "take.lua", allow_oom=True)
CLAIM = _script(*_ENDING, "due.lua", "silence.lua", "alone.lua", "servers.lua", "claim.lua")
RENEW = _script(_CLOCK, "fair.lua", "slots.lua", "silence.lua", "renew.lua", allow_oom=True)
REPORT = _script(_CLOCK, "tell.lua", "report.lua")
FINISH = _script(*_ENDING, "finish.lua", allow_oom=True)
FOREIGN = _script(_CLOCK, "fair.lua", "foreign.lua", allow_oom=True)
CANCEL = _script(*_ENDING, "cancel.lua", allow_oom=True)
WAKE = _script(*_ENDING, "wake.lua", allow_oom=True)
SWEEP = _script(*_ENDING, "sweep.lua", allow_oom=True)
OPEN_GATE = _script("open_gate.lua")
SHUT_GATE = _script(_CLOCK, "shut_gate.lua", allow_oom=True)
RESHARE = _script(_CLOCK, "fair.lua", "reshare.lua", allow_oom=True)
FORGET_JOBS = _script(_BYTES, "forget_jobs.lua", allow_oom=True)
ADMIT_BATCH = _script(*_JUDGING, "batch.lua", "admit_batch.lua")
ADMIT_COMPARISON = _script(*_JUDGING, "outbox.lua", "enter.lua", "admit_comparison.lua")
ADMIT_ITEMS = _script(
    *(_CLOCK, "fair.lua", "settle.lua", _STORED, _BYTES, "outbox.lua", "enter.lua"),
    *(*_CONCLUDING, "known.lua", "batch.lua", "turns.lua", "rest.lua", "admit_items.lua"),
)
CANCEL_BATCH = _script(
    *(_CLOCK, "settle.lua", _BYTES, "batch.lua", "turns.lua", "rest.lua", "cancel_batch.lua"), allow_oom=True
)
CLOSE_BATCH = _script(
    *(_CLOCK, "settle.lua", _BYTES, "outbox.lua", "batch.lua", "turns.lua", "rest.lua", "close_batch.lua"),
    allow_oom=True,
)
DRAFT_BATCH = _script(_CLOCK, "batch.lua", "draft_batch.lua")
FORGET_BATCH = _script(_CLOCK, _BYTES, "batch.lua", "forget_batch.lua", allow_oom=True)
KEEP_RESULTS = _script("keep_results.lua", allow_oom=True)
MEND = _script(_CLOCK, "fair.lua", "mend.lua", allow_oom=True)
PROLONG_BATCH = _script(_CLOCK, "prolong_batch.lua", allow_oom=True)
TAKE_BATCHES = _script(_CLOCK, "take_batches.lua", allow_oom=True)
LEAVE_ARCHIVED = _script(*_ENDING, "leave_archived.lua", allow_oom=True)
RECOUNT = _script(_BYTES, "recount.lua", allow_oom=True)
LOOK_OVER = _script("look_over.lua")
YIELD_JOBS = _script(_BYTES, "yield_jobs.lua", allow_oom=True)
SET_QUEUE = _act(_CLOCK, "fair.lua", "set_queue.lua")
END_DEAD = _act(_CLOCK, "end_dead.lua")
REVIVE = _act(_CLOCK, "fair.lua", "revive.lua")
