"""The steps that the moves of a job are made of: what the fragments of `libs.jobs.scripts` are to its scripts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from libs.jobs.lifecycle import Ending, Payment
from libs.jobs.status import Status
from libs.planner.job import Job
from libs.planner.queue import Queue
from libs.planner.units import DAY_MS, Units

__all__ = ["CRASHES_MAX", "IDEMPOTENCY_KEPT_MS", "Memory", "Steps"]

#: So many leases that ran out, and the job is given up.
CRASHES_MAX = 3
#: An idempotency key is remembered until its job ends, and for so long after.
IDEMPOTENCY_KEPT_MS = DAY_MS


@dataclass(slots=True)
class Memory:
    """The job an idempotency key made; None: remembered for as long as the job is unfinished."""

    fingerprint: str
    job_id: str
    until_ms: float | None = None


@dataclass(slots=True)
class Steps:
    """Users, queues and jobs, and what can be done to them. `size_max` bounds each queue (`MAX_QUEUE_SIZE`)."""

    size_max: int = 1_000_000
    jobs: dict[str, Job] = field(default_factory=dict)
    queues: defaultdict[str, Queue] = field(default_factory=lambda: defaultdict(Queue))
    #: Ids of each user's jobs that have not started, or are to start again: bounded by the plan.
    queued: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    units: Units = field(default_factory=Units)
    dead: list[str] = field(default_factory=list)
    memories: dict[tuple[str, str], Memory] = field(default_factory=dict)

    def _hold(self, job: Job) -> None:
        """A job waits for its turn, which may be now."""
        self.queues[job.queue].hold(job)
        self._promote_next(job)

    def _promote(self, queue: Queue, user: str) -> None:
        """Make the next jobs of a user ready, if there is room under the cap."""
        for promotion in queue.shares[user].promote(queue.virtual, queue.size_s):
            queue.held.remove(promotion.job_id)
            queue.ready.put(promotion.job_id, promotion.tag)
            self.jobs[promotion.job_id].charged_s = promotion.charged_s

    def _promote_next(self, job: Job) -> None:
        self._promote(self.queues[job.queue], job.user)

    def _leave_slot(self, job: Job, now_ms: int) -> float:
        """The lease ends, and the time that was used is charged: those slot-seconds."""
        queue = self.queues[job.queue]
        used_ms = max(0, now_ms - job.begun_at_ms)
        job.run_ms += used_ms
        job.fence = None
        queue.timed.remove(job.id)
        queue.shares[job.user].open.discard(job.id)
        queue.charge(job, used_ms / 1000)
        return used_ms / 1000

    def _count(self, job: Job, ending: Ending) -> None:
        """Failures, crashes and releases are three numbers: only a failure uses up an attempt."""
        if ending == "retry":
            job.failures += 1
        else:
            job.releases += 1
        if ending == "unstart":
            job.started = False

    def _requeue(self, job: Job, now_ms: int, delay_ms: int) -> None:
        """Back to the queue: at once into its lane, else at a later time."""
        job.status, job.woken = "queued", False
        self.queued[job.user].add(job.id)
        if delay_ms > 0:
            self.queues[job.queue].defer(job, now_ms + delay_ms)
            self._promote_next(job)
        else:
            self._hold(job)

    def _rescue(self, job: Job, now_ms: int) -> None:
        """The lease ran out: its worker died, hung or was cut off. The job goes back, or is given up."""
        used_s = self._leave_slot(job, now_ms)
        job.crashes += 1
        if job.cancel_requested:
            self._end(job, "canceled", "settle", now_ms, used_s)
        elif job.crashes >= CRASHES_MAX:
            self.dead.append(job.id)
            self._end(job, "failed", "refund", now_ms, used_s)
        else:
            self._requeue(job, now_ms, 0)

    def _finish_unstarted(self, job: Job, status: Status, now_ms: int) -> None:
        """End a job that no worker holds; its units are given back, and so is what a promotion charged."""
        queue = self.queues[job.queue]
        share = queue.shares[job.user]
        if not share.unhold(job) and job.id in share.open:
            share.open.remove(job.id)
            queue.charge(job, None)
        self._end(job, status, "refund", now_ms)

    def _end(self, job: Job, status: Status, payment: Payment, now_ms: int, used_s: float | None = None) -> None:
        """The one terminal status."""
        queue = self.queues[job.queue]
        queue.remove(job)
        self.queued[job.user].discard(job.id)
        self.units.settle(payment, job.user, job.day, job.units)
        job.status = status
        if used_s is not None:
            queue.learn(used_s)
        if job.idempotency is not None:
            self.memories[job.user, job.idempotency].until_ms = now_ms + IDEMPOTENCY_KEPT_MS
        self._promote_next(job)
