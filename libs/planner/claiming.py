"""Claiming: how a worker comes by jobs. The model of `claim.lua`.

Three things stand out. A worker that missed the reply to its last claim is given once more what it was given. When no
worker was heard of for a while, Redis was away, and leases that ran out count for nothing. And a job whose workers
were lost twice has its last attempt alone: a worker that has company for it passes it over, and one makes room.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from libs.planner.job import Job
from libs.planner.queue import Queue
from libs.planner.steps import CRASHES_MAX, Steps

__all__ = ["Claim", "Claiming", "Claims"]

#: One claim brings in so many due jobs of a queue, and looks for lost ones among so many leases.
DUE_MAX, LEASED_MAX = 100, 10_000
#: How long it is believed that a worker makes room.
ROOM_KEPT_MS = 5_000


@dataclass(frozen=True, slots=True)
class Claim:
    """A job a worker has just claimed; `canceled` when its user asked for that while it waited at a provider."""

    job_id: str
    queue: str
    fence: str
    attempt: int
    canceled: bool


@dataclass(frozen=True, slots=True)
class Claims:
    """What one claim brought, and in how many ms the next job comes due (None: nothing is timed)."""

    jobs: tuple[Claim, ...]
    next_due_ms: float | None
    makes_room: bool = False


@dataclass(slots=True)
class _Visit:
    """A claim under way: whose, how much it still wants, what it has got."""

    worker: str
    wanted: int
    lease_ms: int
    now_ms: int
    running: frozenset[str]
    makes_room: bool = False
    claims: list[Claim] = field(default_factory=list)

    @property
    def wants_more(self) -> bool:
        return len(self.claims) < self.wanted

    def enough(self) -> None:
        """Nothing beyond what it has."""
        self.wanted = len(self.claims)


class Claiming(Steps):
    """The move of the workers."""

    __slots__ = ()

    def claim(
        self,
        worker: str,
        queues: Sequence[str],
        n: int,
        lease_ms: int,
        now_ms: int,
        *,
        running: Collection[str] = (),
        newcomer: bool = False,
        after_outage: bool = False,
    ) -> Claims:
        """Claim up to n ready jobs, the lowest tags first; before that, bring in what has come due."""
        visit = _Visit(worker, n, lease_ms, now_ms, frozenset(running))
        visited = [self.queues[name] for name in queues]
        for queue in visited:
            unknown = 0 if after_outage else now_ms
            if not newcomer:
                queue.note_silence(unknown if queue.heard_at_ms is None else queue.heard_at_ms, lease_ms, now_ms)
            if after_outage:
                self._hand_over_again(queue, visit)
            for job_id, _ in queue.timed.pop(DUE_MAX, up_to=now_ms):
                self._come_due(self.jobs[job_id], now_ms)
            if queue.alone is not None and not queue.paused:
                self._keep_promise(queue, visit)
        waits: list[float] = []
        for queue in visited:
            if not queue.paused:
                self._claim_ready(queue, visit)
            first = queue.timed.first()
            if first is not None:
                waits.append(max(0.0, first[1] - now_ms))
        return Claims(tuple(visit.claims), min(waits, default=None), visit.makes_room)

    def _hand_over_again(self, queue: Queue, visit: _Visit) -> None:
        """What this worker has and does not know of: the reply to a claim was lost."""
        for job_id in queue.timed.page(LEASED_MAX, up_to=visit.now_ms + visit.lease_ms):
            job = self.jobs[job_id]
            mine = job.fence is not None and job.fence.startswith(f"{visit.worker}:")
            if mine and visit.wants_more and job_id not in visit.running:
                queue.defer(job, visit.now_ms + visit.lease_ms)
                self._hand_over(job, visit)

    def _come_due(self, job: Job, now_ms: int) -> None:
        """A schedule, a delay or a lease has run out."""
        queue = self.queues[job.queue]
        if job.fence is None:
            if not job.waiting:
                job.status = "queued"
            self._hold(job)
        elif queue.spare_until_ms > now_ms:
            queue.defer(job, queue.spare_until_ms)
        else:
            self._rescue(job, now_ms)

    def _keep_promise(self, queue: Queue, visit: _Visit) -> None:
        """Take the job that this worker made room for, or go on making room."""
        assert queue.alone is not None  # noqa: S101  # the caller looked
        worker, job_id, _ = queue.alone
        if worker != visit.worker:
            return
        tag = queue.ready.score(job_id)
        visit.makes_room = bool(visit.running) and tag is not None
        if visit.makes_room:
            self._promise_room(queue, visit, job_id)
        else:
            queue.alone = None
        if tag is None:
            return
        if not visit.running:
            self._take(self.jobs[job_id], tag, visit)
        visit.enough()

    def _promise_room(self, queue: Queue, visit: _Visit, job_id: str) -> bool:
        """Make room for a job; False when somebody else makes room in this queue."""
        if queue.alone is not None and queue.alone[0] != visit.worker and queue.alone[2] > visit.now_ms:
            return False
        queue.alone = (visit.worker, job_id, visit.now_ms + ROOM_KEPT_MS)
        return True

    def _claim_ready(self, queue: Queue, visit: _Visit) -> None:
        passed = 0
        while visit.wants_more and (batch := queue.ready.page(visit.wanted - len(visit.claims), passed)):
            for job_id in batch:
                tag = queue.ready.score(job_id)
                if visit.wants_more and tag is not None and not self._take(self.jobs[job_id], tag, visit):
                    passed += 1

    def _take(self, job: Job, tag: float, visit: _Visit) -> bool:
        """Start an attempt, or go on with one that waited at a provider; past its deadline the job expires instead.

        False when it is left where it is: it has to run alone.
        """
        if not job.waiting and job.deadline_at_ms <= visit.now_ms:
            self._finish_unstarted(job, "expired", visit.now_ms)
            return True
        queue = self.queues[job.queue]
        alone = job.crashes >= CRASHES_MAX - 1
        if alone and (visit.running or visit.claims):
            visit.makes_room = self._promise_room(queue, visit, job.id)
            if visit.makes_room:
                visit.enough()
            return False
        if alone:
            visit.wanted = 1
        queue.ready.remove(job.id)
        self._start(queue, job, tag, visit)
        return True

    def _start(self, queue: Queue, job: Job, tag: float, visit: _Visit) -> None:
        queue.virtual = max(queue.virtual, tag)
        queue.claims += 1
        job.fence, job.begun_at_ms = f"{visit.worker}:{queue.claims}", visit.now_ms
        if not job.waiting:
            job.attempt += 1
            job.status, job.started = "running", True
            self.queued[job.user].discard(job.id)
        else:
            job.woken = False
        job.waiting = False
        queue.defer(job, visit.now_ms + visit.lease_ms)
        self._hand_over(job, visit)

    def _hand_over(self, job: Job, visit: _Visit) -> None:
        fence = job.fence or ""
        visit.claims.append(Claim(job.id, job.queue, fence, job.attempt, job.cancel_requested))
