"""A job as the policy sees it: what it was submitted with, and what has become of it."""

from __future__ import annotations

from dataclasses import dataclass

from libs.jobs.status import FINISHED, Status

__all__ = ["Allowance", "Job", "Order"]


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a user's plan allows at the time of a submission; None is unlimited."""

    weight: int = 1
    slots: int = 1
    queued_max: int = 100_000
    units_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A submission. `deadline_ms` counts from when the job may first run; lane `-` is that of no fairness key."""

    user: str
    queue: str
    units: int = 1
    priority: int = 0
    lane: str = "-"
    deadline_ms: int = 86_400_000
    run_at_ms: int = 0
    idempotency: str | None = None
    fingerprint: str = ""


@dataclass(slots=True)
class Job:
    """A job that was admitted. The members have the meaning they have in its record."""

    id: str
    user: str
    queue: str
    lane: str
    priority: int
    sequence: int
    units: int
    day: int
    deadline_at_ms: int
    status: Status
    idempotency: str | None
    #: A provider works on it: it is running without a slot, a lease or a charge.
    waiting: bool = False
    #: Its provider called back before its attempt began to wait: it is not to wait at all.
    woken: bool = False
    cancel_requested: bool = False
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    releases: int = 0
    run_ms: int = 0
    started: bool = False
    #: The fence of the attempt that runs, and of the last one that ended in order.
    fence: str | None = None
    ended: str | None = None
    begun_at_ms: int = 0
    #: What its last promotion charged, slot-seconds.
    charged_s: float = 0.0

    @property
    def finished(self) -> bool:
        """Whether the status is final."""
        return self.status in FINISHED
