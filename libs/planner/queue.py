"""A queue in its three bands: ready by tag, deferred by time, held by deadline."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

from libs.planner.job import Job
from libs.planner.ordered import Ordered
from libs.planner.share import Share, averaged

__all__ = ["Queue"]


@dataclass(slots=True)
class Queue:
    """Every unfinished job of a queue is in one band, and in no other.

    `ready` waits for a slot, in the order of start tags. `timed` waits for a time: scheduled jobs for their `run_at`,
    deferred ones for the end of their delay, running ones for the end of their lease. `held` waits in its user's share
    and is ordered by deadline here, for those that lapse.
    """

    ready: Ordered = field(default_factory=Ordered)
    timed: Ordered = field(default_factory=Ordered)
    held: Ordered = field(default_factory=Ordered)
    shares: defaultdict[str, Share] = field(default_factory=lambda: defaultdict(Share))
    #: The highest tag that was claimed. It never falls.
    virtual: float = 1.0
    #: What a usual job takes, slot-seconds.
    size_s: float | None = None
    sequence: int = 0
    claims: int = 0
    #: Paused, nothing is claimed; draining, nothing is admitted.
    paused: bool = False
    draining: bool = False
    #: When a worker was last heard of, and until when no lease that ran out is anybody's crash: Redis was away.
    heard_at_ms: float | None = None
    spare_until_ms: float = 0
    #: The worker that makes room for a job which has to run alone, the job, and until when that is believed.
    alone: tuple[str, str, float] | None = None

    def note_silence(self, heard_at_ms: float, lease_ms: int, now_ms: int) -> None:
        """No worker was heard of for half a lease: Redis was away, and each lease gets one more."""
        if now_ms - heard_at_ms > lease_ms / 2:
            self.spare_until_ms = now_ms + lease_ms

    def __len__(self) -> int:
        return len(self.ready) + len(self.timed) + len(self.held)

    def hold(self, job: Job) -> None:
        """A job waits for its turn in its user's share. One that waits at a provider has no deadline any more."""
        self.shares[job.user].hold(job)
        self.timed.remove(job.id)
        self.held.put(job.id, math.inf if job.waiting else job.deadline_at_ms)

    def defer(self, job: Job, until_ms: float) -> None:
        """A job, held or not, waits for a time."""
        self.timed.put(job.id, until_ms)

    def remove(self, job: Job) -> None:
        """A job is finished."""
        for band in (self.ready, self.timed, self.held):
            band.remove(job.id)

    def charge(self, job: Job, used_s: float | None) -> None:
        """A job leaves its slot, or its place among the ready ones."""
        self.shares[job.user].charge(job.charged_s, used_s, self.virtual)

    def learn(self, used_s: float) -> None:
        """A job has ended: the next newcomer is judged by it as well."""
        self.size_s = averaged(self.size_s, used_s)
