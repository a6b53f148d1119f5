"""The way of a job under the policy, move by move. Each method is one script of `libs.jobs.scripts`, and atomic.

::

    submit ──► held ──promote──► ready ──claim──► running ──finish──► succeeded | failed | canceled
      │          ▲                                 │  │  │
      └► timed ──┘ due                             │  │  └─ wait: at a provider, timed, without a slot
          ▲                                        │  └──── retry, release, unstart: back, now or after a delay
          └────────────────────────────────────────┘     └─ lease ran out: a crash; back, or dead after three

A job is in the queue from its admission to its end, and in exactly one band of it. Whatever frees room under a user's
cap (a submission, an ending, something due, a cancel) promotes that user's next job at once, so a claim looks at the
ready band alone. Every move of an attempt shows its fence, and is refused once another attempt has begun.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from libs.jobs.lifecycle import CancelOutcome, Ending, Payment
from libs.jobs.status import Status
from libs.planner.claiming import Claim, Claiming, Claims
from libs.planner.job import Allowance, Job, Order
from libs.planner.steps import Memory
from libs.planner.units import DAY_MS

__all__ = ["Admitted", "Claim", "Claims", "Policy"]

_STATUS: dict[str, Status] = {"succeed": "succeeded", "fail": "failed", "cancel": "canceled"}


@dataclass(frozen=True, slots=True)
class Admitted:
    """What became of a submission: `admitted`, `replayed` or the code of a refusal. A replay names the first job."""

    outcome: str
    job_id: str | None = None


@dataclass(slots=True)
class Policy(Claiming):
    """The moves of jobs, by users, by workers and by time."""

    # ── admission ───────────────────────────────────────────────────────────────────────────────────────────────

    def submit(
        self, job_id: str, order: Order, allowance: Allowance, now_ms: int, *, credential_good: bool = True
    ) -> Admitted:
        """Admit a job, or say why not: then nothing has changed. What is asked first is said first."""
        if not credential_good:
            return Admitted("invalid_token")
        memory = self._remembered(order, now_ms)
        if memory is not None:
            same = memory.fingerprint == order.fingerprint
            return Admitted("replayed" if same else "idempotency_key_reused", memory.job_id)
        refusal = self._refusal(order, allowance, now_ms)
        if refusal is not None:
            return Admitted(refusal)
        self._admit(job_id, order, allowance, now_ms)
        return Admitted("admitted", job_id)

    def _remembered(self, order: Order, now_ms: int) -> Memory | None:
        memory = None if order.idempotency is None else self.memories.get((order.user, order.idempotency))
        return None if memory is None or (memory.until_ms is not None and memory.until_ms <= now_ms) else memory

    def _refusal(self, order: Order, allowance: Allowance, now_ms: int) -> str | None:
        queue = self.queues[order.queue]
        if len(self.queued[order.user]) >= allowance.queued_max:
            return "queue_limit"
        if not self.units.allows(order.user, now_ms // DAY_MS, order.units, allowance.units_per_day):
            return "quota_exceeded"
        if queue.draining:
            return "draining"
        return "queue_full" if len(queue) >= self.size_max else None

    def _admit(self, job_id: str, order: Order, allowance: Allowance, now_ms: int) -> None:
        queue = self.queues[order.queue]
        queue.sequence += 1
        scheduled = order.run_at_ms > now_ms
        job = self.jobs[job_id] = Job(
            id=job_id,
            user=order.user,
            queue=order.queue,
            lane=order.lane,
            priority=order.priority,
            sequence=queue.sequence,
            units=order.units,
            day=now_ms // DAY_MS,
            deadline_at_ms=max(now_ms, order.run_at_ms) + order.deadline_ms,
            status="scheduled" if scheduled else "queued",
            idempotency=order.idempotency,
        )
        self.units.reserve(job.user, job.day, job.units)
        if order.idempotency is not None:
            self.memories[job.user, order.idempotency] = Memory(order.fingerprint, job_id)
        self.queued[job.user].add(job_id)
        share = queue.shares[job.user]
        share.weight, share.cap = allowance.weight, allowance.slots
        if scheduled:
            queue.defer(job, order.run_at_ms)
        else:
            self._hold(job)

    def reshare(self, user: str, allowance: Allowance) -> None:
        """Give a user's shares the weight and cap of another plan, for what waits already."""
        for queue in self.queues.values():
            if user in queue.shares:
                queue.shares[user].weight, queue.shares[user].cap = allowance.weight, allowance.slots
                self._promote(queue, user)

    # ── what the holder of an attempt does ──────────────────────────────────────────────────────────────────────

    def renew(
        self,
        held: Iterable[tuple[str, str]],
        lease_ms: int,
        now_ms: int,
        *,
        queues: Iterable[str] = (),
        newcomer: bool = False,
    ) -> dict[str, str]:
        """Renew the leases of (job, fence); names the jobs that are `lost`, or whose user asked to `cancel`."""
        words: dict[str, str] = {}
        for queue in (self.queues[name] for name in queues):
            if not newcomer and queue.heard_at_ms is not None:
                queue.note_silence(queue.heard_at_ms, lease_ms, now_ms)
            queue.heard_at_ms = now_ms
        for job_id, fence in held:
            job = self.jobs.get(job_id)
            if job is None or job.fence != fence:
                words[job_id] = "lost"
                continue
            self.queues[job.queue].defer(job, now_ms + lease_ms)
            if job.cancel_requested:
                words[job_id] = "cancel"
        return words

    def may_report(self, job_id: str, fence: str) -> bool:
        """Whether a report of this attempt is taken."""
        job = self.jobs.get(job_id)
        return job is not None and job.fence == fence

    def finish(
        self,
        job_id: str,
        fence: str,
        ending: Ending,
        now_ms: int,
        *,
        delay_ms: int = 0,
        payment: Payment = "settle",
    ) -> Literal["done", "fenced"]:
        """End an attempt; once, however often it is said. A stale attempt ends nothing."""
        job = self.jobs.get(job_id)
        if job is None:
            return "fenced"
        if job.fence != fence:
            return "done" if job.ended == fence else "fenced"
        used_s = self._leave_slot(job, now_ms)
        job.ended = fence
        if ending == "wait":
            job.waiting = True
            self.queues[job.queue].defer(job, now_ms + (0 if job.cancel_requested or job.woken else delay_ms))
            job.woken = False
            self._promote_next(job)
        elif ending in _STATUS:
            self._end(job, _STATUS[ending], payment, now_ms, used_s)
        elif job.cancel_requested:
            self._end(job, "canceled", payment, now_ms, used_s)
        else:
            self._count(job, ending)
            self._requeue(job, now_ms, delay_ms)
        return "done"

    # ── what others do to a job ─────────────────────────────────────────────────────────────────────────────────

    def cancel(self, user: str, job_id: str, now_ms: int) -> CancelOutcome:
        """Cancel a job: at once while it waits for its turn, by request while it runs or waits at a provider."""
        job = self.jobs.get(job_id)
        if job is None or job.user != user:
            return "not_found"
        if job.finished:
            return "canceled" if job.status == "canceled" else "finished"
        if job.status == "running":
            job.cancel_requested = True
            if job.waiting:
                self.wake(job_id, now_ms)
            return "requested"
        self._finish_unstarted(job, "canceled", now_ms)
        return "canceled"

    def wake(self, job_id: str, now_ms: int) -> None:
        """Have a job looked at that waits at its provider, or is about to; nothing when it is on its way already."""
        job = self.jobs.get(job_id)
        if job is None:
            return
        if job.fence is not None and not job.waiting:
            job.woken = True
        elif job.waiting and job.id in (timed := self.queues[job.queue].timed):
            timed.put(job.id, now_ms)

    def sweep(self, name: str, most: int, offset: int, now_ms: int) -> tuple[int, int]:
        """Expire a page of jobs past their deadline; how many, and the offset to go on from (0: all was read)."""
        queue = self.queues[name]
        lapsed = queue.held.page(most, up_to=now_ms)
        for job_id in lapsed:
            self._finish_unstarted(self.jobs[job_id], "expired", now_ms)
        expired = len(lapsed)
        pages = [queue.ready.page(most, offset)]
        expired += self._expire(pages[0], now_ms)
        pages.append(queue.timed.page(most, offset))
        expired += self._expire(pages[1], now_ms)
        return expired, 0 if all(len(page) < most for page in pages) else offset + most

    def _expire(self, page: list[str], now_ms: int) -> int:
        lapsed = [job for job in map(self.jobs.__getitem__, page) if job.status == "queued"]
        lapsed = [job for job in lapsed if job.deadline_at_ms <= now_ms]
        for job in lapsed:
            self._finish_unstarted(job, "expired", now_ms)
        return len(lapsed)
