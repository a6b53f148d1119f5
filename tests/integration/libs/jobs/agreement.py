"""The model of the policy against what Redis holds: every score, tag and number, exactly."""

from __future__ import annotations

import math
from typing import Any

from libs.planner.job import Job
from libs.planner.policy import Policy
from libs.planner.queue import Queue
from libs.planner.share import Share
from tests.integration.libs.jobs.snapshot import Snapshot

__all__ = ["check_agreement"]

HELD, NEVER = 8e15, 9e14


def check_agreement(seen: Snapshot, policy: Policy) -> None:
    assert records_of(seen) == {job.id: expected_record(job) for job in policy.jobs.values()}
    for name, queue in policy.queues.items():
        assert seen.scores(name) == expected_scores(queue)
        stored = seen.values.get(seen.keys.queue + name, {})
        assert number(stored, "virtual", 1.0) == queue.virtual
        assert number(stored, "size", None) == queue.size_s
        assert (number(stored, "seq", 0), number(stored, "claims", 0)) == (queue.sequence, queue.claims)
        for user, share in queue.shares.items():
            check_share(seen, f"{user}:{name}", share)
    assert set(seen.values.get(seen.keys.dead, ())) == set(policy.dead)
    assert {user: ids for user, ids in policy.queued.items() if ids} == seen.under(seen.keys.queued)
    for (user, day), usage in policy.units.days.items():
        counters = seen.values.get(f"{seen.keys.usage}{user}:{day}", {})
        assert (int(counters.get("held", 0)), int(counters.get("used", 0))) == (usage.held, usage.used)


def check_share(seen: Snapshot, name: str, share: Share) -> None:
    keys = seen.keys
    stored = seen.values.get(keys.share + name, {})
    if stored:
        assert (number(stored, "weight", 1), number(stored, "cap", 1)) == (share.weight, share.cap)
        assert number(stored, "finish", 0.0) == share.finish
        assert number(stored, "last", 0.0) == share.last
        assert number(stored, "size", None) == share.size_s
        assert number(stored, "lane_virtual", 0.0) == share.lane_virtual
    assert seen.values.get(keys.open + name, set()) == share.open
    assert seen.values.get(keys.lanes + name, {}) == share.lanes.items()
    for lane, held in share.held.items():
        assert seen.values.get(f"{keys.lane}{name}:{lane}", {}) == held.items()


def number(stored: dict[str, str], name: str, absent: float | None) -> float | None:
    return float(stored[name]) if stored.get(name) else absent


def expected_scores(queue: Queue) -> dict[str, float]:
    held = {job_id: HELD + (NEVER if math.isinf(at) else at) for job_id, at in queue.held.items().items()}
    return queue.ready.items() | queue.timed.items() | held


def expected_record(job: Job) -> dict[str, Any]:
    return {
        "status": job.status,
        "attempt": job.attempt,
        "failures": job.failures,
        "crashes": job.crashes,
        "releases": job.releases,
        "run_ms": job.run_ms,
        "fence": job.fence,
        "ended": job.ended,
        "waiting": job.waiting,
        "woken": job.woken,
        "started": job.started,
        "cancel": job.cancel_requested,
        "deadline": job.deadline_at_ms,
        "day": job.day,
        "seq": job.sequence,
    }


def records_of(seen: Snapshot) -> dict[str, dict[str, Any]]:
    return {job_id: read_record(record) for job_id, record in seen.under(seen.keys.job).items()}


def read_record(record: dict[str, str]) -> dict[str, Any]:
    counted = ("attempt", "failures", "crashes", "releases", "run_ms", "deadline", "day", "seq")
    return {
        **{name: int(record.get(name, 0)) for name in counted},
        **{name: record.get(name) for name in ("status", "fence", "ended")},
        **{name: name in record for name in ("waiting", "woken", "started", "cancel")},
    }
