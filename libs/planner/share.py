"""Fair shares: how the users of a queue share its slots (start-time fair queueing; Goyal, Vin, Cheng 1996).

A user's jobs are *held* in lists of their own, the lanes, one for each fairness key. While the user has fewer than
`cap` jobs open, the next held one is *promoted*: it becomes ready, under a start tag that is given only now. The ready
job with the lowest tag is claimed next, whoever's it is. Tags count slot-seconds:

- the queue's virtual time V is the highest tag claimed so far;
- a promotion tags the job S = max(V, F) and moves the user's virtual finish to F = S + size / weight, where `size` is
  what this user's jobs usually take: a user of weight 8 moves on at an eighth of the pace and is served eight times;
- the ending of an attempt corrects F by what was really used, so that shares are fair by time and not by count. What
  left before it ran is not charged;
- who has nothing in flight owes at most one job (F ≤ V + used / weight): work on an idle machine cost nobody anything.

Nobody saves up: S ≥ V. Nobody pays twice: F is the user's alone. A user's own tags only rise while anything is open.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

from libs.planner.job import Job
from libs.planner.ordered import Ordered

__all__ = ["Promotion", "Share", "averaged"]

#: One step of priority outweighs every sequence number and every lane's tag.
PRIORITY = 1e12
#: Slot-seconds: the least that two tags of a user differ by.
STEP = 1e-6
#: Slot-seconds a job takes where nothing is known.
SIZE = 1.0


@dataclass(frozen=True, slots=True)
class Promotion:
    """A job that became ready: its start tag, and what it was charged (slot-seconds)."""

    job_id: str
    tag: float
    charged_s: float


def averaged(size_s: float | None, used_s: float) -> float:
    """A mean that forgets: of the jobs' slot-seconds, a user's or a queue's."""
    return (used_s if size_s is None else size_s) * 0.8 + max(used_s, 0.001) * 0.2


def _composite(tag: float, priority: float) -> float:
    return tag - priority * PRIORITY


def _split(composite: float) -> tuple[float, float]:
    """Priority and tag of a score."""
    steps = math.floor(composite / PRIORITY)
    return -steps, composite - steps * PRIORITY


@dataclass(slots=True)
class Share:
    """One user's share of one queue."""

    weight: float = 1
    cap: int = 1
    finish: float = 0.0
    last: float = 0.0
    size_s: float | None = None
    lane_virtual: float = 0.0
    #: Ids of the user's ready and running jobs. A set, so that letting go twice does no harm.
    open: set[str] = field(default_factory=set)
    #: Each lane's held jobs by priority and sequence; the lanes by priority of their first job and by tag.
    held: defaultdict[str, Ordered] = field(default_factory=lambda: defaultdict(Ordered))
    lanes: Ordered = field(default_factory=Ordered)

    @property
    def idle(self) -> bool:
        """Whether nothing of the user is held, ready or running."""
        return not self.open and not self.lanes

    def hold(self, job: Job) -> None:
        """Put a job into its lane."""
        self.held[job.lane].put(job.id, _composite(job.sequence, job.priority))
        self._place(job.lane, self._tag_of(job.lane))

    def unhold(self, job: Job) -> bool:
        """Take a job out of its lane; whether it was there."""
        if job.lane not in self.held or not self.held[job.lane].remove(job.id):
            return False
        self._place(job.lane, self._tag_of(job.lane))
        return True

    def promote(self, virtual: float, size_s: float | None) -> list[Promotion]:
        """Make held jobs ready while there is room under the cap, at virtual time `virtual`.

        A user of whom nothing is known is taken for a usual one of the queue, whose jobs take `size_s`: a guess too
        small would let all their first jobs go before everybody's second.
        """
        size = next((known for known in (self.size_s, size_s) if known is not None), SIZE)
        finish, promoted = self.finish, list[Promotion]()
        if self.open:
            # A corrected charge may lie before a tag given out already; a user's own jobs still go in their order.
            finish = max(finish, self.last + STEP)
        while len(self.open) < self.cap and (job_id := self._next_held(size)) is not None:
            start = max(virtual, finish)
            finish = start + size / self.weight
            self.open.add(job_id)
            promoted.append(Promotion(job_id, start, size))
        if promoted:
            self.finish, self.last = finish, finish - size / self.weight
        return promoted

    def charge(self, charged_s: float, used_s: float | None, virtual: float) -> None:
        """Correct what a promotion charged by what was used; None when the job left before it ran."""
        used = used_s or 0.0
        self.finish += (used - charged_s) / self.weight
        if self.idle:
            self.finish = min(self.finish, virtual + used / self.weight)
        if used_s is not None:
            self.size_s = averaged(self.size_s, used_s)

    def _next_held(self, size: float) -> str | None:
        """Take the first job of the first lane; the lane moves on by one job, so that lanes take turns."""
        first = self.lanes.first()
        if first is None:
            return None
        lane, composite = first
        _, tag = _split(composite)
        ((job_id, _),) = self.held[lane].pop()
        self._place(lane, tag + size)
        self.lane_virtual = tag
        return job_id

    def _place(self, lane: str, tag: float) -> None:
        """Give a lane its place among the user's: by the priority of its first job, then by its tag."""
        head = self.held[lane].first()
        if head is None:
            del self.held[lane]
            self.lanes.remove(lane)
            return
        priority, _ = _split(head[1])
        self.lanes.put(lane, _composite(tag, priority))

    def _tag_of(self, lane: str) -> float:
        """A lane that was empty joins at the end of the round, or one that trickles would pass a full one each time."""
        composite = self.lanes.score(lane)
        if composite is None:
            return self.lane_virtual + (SIZE if self.size_s is None else self.size_s)
        _, tag = _split(composite)
        return tag
