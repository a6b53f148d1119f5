"""The policy twice: on Redis and in the model. Each move is made on both, and must have the same outcome."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Coroutine
from dataclasses import replace
from typing import Any, ClassVar

import redis

from libs.access.caller import Caller
from libs.admission.admit import QueueRule, lane_of
from libs.errors import Refusal
from libs.jobs import lifecycle
from libs.jobs.lifecycle import Ending, FencedError, Payment
from libs.jobs.scripts import RESHARE
from libs.planner.job import Allowance, Order
from libs.planner.policy import Claim, Policy
from tests.fakes.callers import make_caller, submit
from tests.fakes.clock import START_MS, ClockedStore
from tests.integration.libs.jobs.snapshot import Snapshot

__all__ = ["ALLOWANCES", "DAY_MS", "HOUR_MS", "LEASE_MS", "MINUTE_MS", "QUEUES", "Twins"]

QUEUES = ["gpu", "cpu"]
LEASE_MS = 30_000
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
QUEUE_RULE = QueueRule(size_max=14, artifact_url_ttl_s_max=3_600)
#: Longer than any example lasts.
RETENTION_S = 10 * 365 * 86_400

ALLOWANCES = {
    "usr_a": [Allowance(1, 1, 5, 9), Allowance(1, 2, 5, 9), Allowance(4, 0, 5, 9)],
    "usr_b": [Allowance(8, 3), Allowance(1, 1), Allowance(2, 2)],
    "usr_c": [Allowance(4, 2, 4, 20), Allowance(8, 0), Allowance(3, 1)],
}


class Twins:
    """Redis, the model, and what was learned from them."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    store: ClassVar[ClockedStore]
    done: ClassVar[redis.client.PubSub]
    #: Every id that was made for a submission, also for one that was refused.
    ids: ClassVar[list[str]]

    def begin(self) -> None:
        """Everything is empty, and every user has their first plan."""
        self.wait(self.store.call("FLUSHALL"))
        self.store.now_ms = 0
        self.wait(self.store.travel_to(START_MS))
        self.policy = Policy(size_max=QUEUE_RULE.size_max)
        self.plans = dict.fromkeys(ALLOWANCES, 0)
        self.claims: list[Claim] = []
        self.offsets = dict.fromkeys(QUEUES, 0)
        self.ids.clear()
        for user in ALLOWANCES:
            facts = ("status", "active", "plan", "plan", "overrides", "{}")
            self.wait(self.store.call("HSET", self.store.keys.user + user, *facts))
            self.wait(self.store.call("HSET", self.store.keys.api_key + "digest_" + user, "user", user))
        self.seen: Snapshot | None = None

    def wait(self, made: Awaitable[Any]) -> Any:
        async def awaited() -> Any:
            return await made

        return self.loop.run_until_complete(awaited())

    @property
    def now_ms(self) -> int:
        return self.store.now_ms

    def caller(self, user: str) -> Caller:
        allowance = self.allowance(user)
        caller = make_caller(
            user_id=user,
            slots=allowance.slots,
            weight=allowance.weight,
            queued_max=allowance.queued_max,
            units_per_day=allowance.units_per_day,
            retention_s=RETENTION_S,
        )
        return replace(caller, digest="digest_" + user)

    def allowance(self, user: str) -> Allowance:
        return ALLOWANCES[user][self.plans[user]]

    def current(self) -> list[Claim]:
        return [claim for claim in self.claims if self.policy.jobs[claim.job_id].fence == claim.fence]

    # ── moves, made twice ───────────────────────────────────────────────────────────────────────────────────────

    def submit(self, user: str, queue: str, wanted: dict[str, Any], *, credential_good: bool = True) -> None:
        run_at_ms = self.now_ms + wanted["delay_ms"] if wanted["delay_ms"] else 0
        job_id = f"job_{len(self.ids):04}"
        members = {name: wanted[name] for name in ("units", "priority", "fairness_key", "idempotency", "fingerprint")}
        try:
            admission = self.wait(
                submit(
                    self.store,
                    self.caller(user),
                    queue_rule=QUEUE_RULE,
                    queue=queue,
                    run_at_ms=run_at_ms or None,
                    deadline_s=wanted["deadline_ms"] / 1000,
                    **members,
                )
            )
            outcome, named = ("replayed" if admission.replayed else "admitted"), admission.job_id
        except Refusal as refusal:
            outcome, named = refusal.code, None
        expected = self.policy.submit(
            job_id,
            order_of(user, queue, wanted, run_at_ms),
            self.allowance(user),
            self.now_ms,
            credential_good=credential_good,
        )
        assert outcome == expected.outcome
        assert named in {None, expected.job_id}

    def reshare(self, user: str, allowance: Allowance) -> None:
        seen = (user, "plan", "{}", "")
        assert (
            self.wait(self.store.run(RESHARE, (), (*seen, allowance.weight, allowance.slots, *QUEUES))) == b"reshared"
        )
        self.policy.reshare(user, allowance)

    def claim(self, worker: str, from_: list[str], n: int, *, busy: bool = False, after_outage: bool = False) -> int:
        current = [claim.job_id for claim in self.current() if claim.fence.startswith(worker)]
        more: Any = {"running": current[1:] or ["another"] if busy else [], "after_outage": after_outage}
        brought = self.wait(lifecycle.claim(self.store, worker, from_, n, LEASE_MS / 1000, **more))
        expected = self.policy.claim(worker, from_, n, LEASE_MS, self.now_ms, **more)
        assert (brought.next_due_ms, brought.makes_room) == (expected.next_due_ms, expected.makes_room)
        made = [Claim(job.job_id, job.queue, job.fence, job.attempt, job.canceled) for job in brought.jobs]
        assert made == list(expected.jobs)
        self.claims += made
        return len(made)

    def end(self, claim: Claim, ending: Ending, delay_ms: int, payment: Payment) -> None:
        for _ in range(2):  # a reply that was lost is asked for again
            expected = self.policy.finish(
                claim.job_id, claim.fence, ending, self.now_ms, delay_ms=delay_ms, payment=payment
            )
            ended = lifecycle.finish(
                self.store, claim.job_id, claim.fence, ending, delay_s=delay_ms / 1000, payment=payment
            )
            assert self.allowed(ended) == (expected == "done")

    def allowed(self, write: Coroutine[Any, Any, None]) -> bool:
        try:
            self.wait(write)
        except FencedError:
            return False
        return True

    def cancel(self, job_id: str, user: str) -> None:
        outcome = self.wait(lifecycle.cancel(self.store, user, job_id))
        assert outcome == self.policy.cancel(user, job_id, self.now_ms)

    def sweep(self, queue: str, most: int) -> None:
        offset = self.offsets[queue]
        swept = self.wait(lifecycle.sweep(self.store, queue, most=most, offset=offset))
        assert tuple(swept) == self.policy.sweep(queue, most, offset, self.now_ms)
        self.offsets[queue] = swept[1]

    def flag(self, queue: str, flag: str, *, on: bool) -> None:
        self.wait(self.store.call("HSET", self.store.keys.queue + queue, flag, "1" if on else "0"))
        setattr(self.policy.queues[queue], flag, on)

    def check_done_events(self) -> None:
        """Each finished job's followers heard `done` once."""
        self.wait(self.store.call("PUBLISH", "test:end", "end"))
        heard: Counter[str] = Counter()
        for message in self.done.listen():  # type: ignore[no-untyped-call]
            if message["channel"] == b"test:end":
                break
            if message["data"].split(b" ", 2)[1] == b"done":
                heard[message["channel"].decode().removeprefix(self.store.keys.events)] += 1
        assert heard == Counter({job.id: 1 for job in self.policy.jobs.values() if job.finished})


def order_of(user: str, queue: str, wanted: dict[str, Any], run_at_ms: int) -> Order:
    return Order(
        user=user,
        queue=queue,
        units=wanted["units"],
        priority=wanted["priority"],
        lane=lane_of(wanted["fairness_key"]),
        deadline_ms=wanted["deadline_ms"],
        run_at_ms=run_at_ms,
        idempotency=wanted["idempotency"],
        fingerprint=wanted["fingerprint"],
    )
