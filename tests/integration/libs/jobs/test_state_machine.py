"""The scripts on a real Redis and the model of the policy, move by move: they agree, and the invariants hold."""

from __future__ import annotations

import asyncio
from typing import Any

import hypothesis.strategies as st
import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from libs.jobs import lifecycle
from libs.jobs.lifecycle import Ending, Held, Payment
from libs.planner.job import Allowance
from libs.store.keyspace import Keyspace
from libs.store.url import parse_url
from tests.fakes.clock import ClockedStore
from tests.integration.libs.jobs.agreement import check_agreement
from tests.integration.libs.jobs.invariants import check_at_rest, check_invariants, check_step
from tests.integration.libs.jobs.snapshot import take_snapshot
from tests.integration.libs.jobs.twins import ALLOWANCES, DAY_MS, HOUR_MS, LEASE_MS, MINUTE_MS, QUEUES, Twins
from tests.patience import PATIENCE_S
from tests.run.profiles import examples
from tests.servers import RedisServer

SHARE, STEPS = 0.5, 30  # half the examples of other properties: each is a whole story
users = st.sampled_from(sorted(ALLOWANCES))
queues = st.sampled_from(QUEUES)
picks = st.integers(0, 30)
payments = st.sampled_from(["settle", "refund"])
endings = st.sampled_from(["succeed", "succeed", "fail", "cancel", "retry", "release", "unstart", "wait"])
delays_ms = st.sampled_from([0, 0, 2_000, 70_000])
turns = st.tuples(endings, delays_ms, payments, st.sampled_from([False, False, True]))
orders = st.fixed_dictionaries(
    {
        "units": st.sampled_from([1, 1, 2, 3]),
        "priority": st.sampled_from([0, 0, 0, -1, 2, 10]),
        "fairness_key": st.sampled_from([None, None, "x", "y"]),
        "idempotency": st.sampled_from([None, None, None, "k1", "k2"]),
        "fingerprint": st.sampled_from(["same", "same", "other"]),
        "delay_ms": st.sampled_from([0, 0, 0, 5_000, 100_000]),
        "deadline_ms": st.sampled_from([7 * DAY_MS, 2 * DAY_MS, 2 * DAY_MS, HOUR_MS, HOUR_MS, 20_000]),
    }
)


class Moves(Twins, RuleBasedStateMachine):
    """Every move is made twice, on Redis and in the model; then both are compared, and Redis with itself."""

    def __init__(self) -> None:
        super().__init__()
        self.begin()

    # ── submissions ─────────────────────────────────────────────────────────────────────────────────────────────

    @initialize(first=st.lists(st.tuples(users, queues, orders), min_size=6, max_size=12), n=st.integers(0, 3))
    def begins_with_some(self, first: list[tuple[str, str, dict[str, Any]]], n: int) -> None:
        for user, queue, wanted in first:
            self.submit(user, queue, wanted)
        self.claim("w0", QUEUES, n)

    @rule(user=users, queue=queues, wanted=orders, times=st.sampled_from([1, 2, 4]))
    def submits(self, user: str, queue: str, wanted: dict[str, Any], times: int) -> None:
        for _ in range(times):
            self.submit(user, queue, wanted)

    @rule(user=users, plan=st.integers(0, 2))
    def gets_another_plan(self, user: str, plan: int) -> None:
        self.plans[user] = plan

    @rule(user=users, plan=st.integers(0, 2))
    def gets_another_plan_for_what_waits_already(self, user: str, plan: int) -> None:
        self.plans[user] = plan
        self.reshare(user, self.allowance(user))

    @rule(user=users, queue=queues, wanted=orders, cause=st.sampled_from(["revoked", "draining"]))
    def is_refused(self, user: str, queue: str, wanted: dict[str, Any], cause: str) -> None:
        if cause == "draining":
            self.flag(queue, "draining", on=True)
            self.submit(user, queue, wanted)
            self.flag(queue, "draining", on=False)
        else:
            key = self.store.keys.api_key + "digest_" + user
            self.wait(self.store.call("HSET", key, "revoked", self.now_ms))
            self.submit(user, queue, wanted, credential_good=False)
            self.wait(self.store.call("HDEL", key, "revoked"))

    # ── workers ─────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(
        worker=st.sampled_from(["w1", "w2"]),
        from_=st.sampled_from([["gpu"], ["cpu"], ["gpu", "cpu"], ["cpu", "gpu"]]),
        n=st.integers(1, 5),
        busy=st.booleans(),
    )
    def claims_jobs(self, worker: str, from_: list[str], n: int, *, busy: bool) -> None:
        self.claim(worker, from_, n, busy=busy)

    @rule(n=st.integers(1, 3), turns=st.lists(turns, min_size=2, max_size=6))
    def works(self, n: int, turns: list[tuple[Ending, int, Payment, bool]]) -> None:
        for ending, delay_ms, payment, canceled in turns:
            self.claim("w1", QUEUES, n)
            self.wait(self.store.pass_time(400))
            for claim in self.current()[:1]:
                if canceled:
                    self.cancel(claim.job_id, self.policy.jobs[claim.job_id].user)
                self.end(claim, ending, delay_ms, payment)

    @rule(n=st.integers(0, 3), worker=st.sampled_from(["w1", "w3"]), busy=st.booleans())
    def claims_after_an_outage(self, n: int, worker: str, *, busy: bool) -> None:
        self.claim(worker, QUEUES, n, busy=busy, after_outage=True)

    @precondition(lambda self: self.current())
    @rule(pick=picks, ending=endings, delay_ms=delays_ms, payment=payments)
    def ends_an_attempt(self, pick: int, ending: Ending, delay_ms: int, payment: Payment) -> None:
        current = self.current()
        self.end(current[pick % len(current)], ending, delay_ms, payment)

    @precondition(lambda self: self.claims)
    @rule(pick=picks, ending=endings, delay_ms=delays_ms, payment=payments)
    def ends_an_attempt_of_any_age(self, pick: int, ending: Ending, delay_ms: int, payment: Payment) -> None:
        self.end(self.claims[-1 - pick % len(self.claims)], ending, delay_ms, payment)

    @precondition(lambda self: self.claims)
    @rule(pick=picks)
    def reports(self, pick: int) -> None:
        claim = self.claims[-1 - pick % len(self.claims)]
        told = self.allowed(lifecycle.report(self.store, claim.job_id, claim.fence, event="progress", data={}))
        assert told == self.policy.may_report(claim.job_id, claim.fence)

    @precondition(lambda self: self.claims)
    @rule(some=st.lists(picks, min_size=1, max_size=4))
    def renews_leases(self, some: list[int]) -> None:
        chosen = {claim.job_id: claim for claim in (self.claims[-1 - pick % len(self.claims)] for pick in some)}
        held = [Held(claim.queue, claim.job_id, claim.fence) for claim in chosen.values()]
        words = self.wait(lifecycle.renew(self.store, held, LEASE_MS / 1000))
        pairs = [(claim.job_id, claim.fence) for claim in chosen.values()]
        assert words == self.policy.renew(pairs, LEASE_MS, self.now_ms)

    # ── what else happens to jobs ───────────────────────────────────────────────────────────────────────────────

    @precondition(lambda self: self.policy.jobs)
    @rule(pick=picks, owner=st.sampled_from([True, True, True, False]))
    def cancels(self, pick: int, *, owner: bool) -> None:
        job = list(self.policy.jobs.values())[-1 - pick % len(self.policy.jobs)]
        self.cancel(job.id, job.user if owner else "usr_nobody")

    @precondition(lambda self: self.policy.jobs)
    @rule(pick=picks)
    def is_called_back_by_a_provider(self, pick: int) -> None:
        waiting = [job.id for job in self.policy.jobs.values() if job.waiting] or list(self.policy.jobs)
        woken = waiting[-1 - pick % len(waiting)]
        self.wait(lifecycle.wake(self.store, [woken]))
        self.policy.wake(woken, self.now_ms)

    @rule(queue=queues, most=st.sampled_from([1, 2, 100]))
    def sweeps(self, queue: str, most: int) -> None:
        self.sweep(queue, most)

    @rule(queue=queues)
    def is_paused_and_resumed(self, queue: str) -> None:
        self.flag(queue, "paused", on=True)
        self.claim("w1", [queue], 3)
        self.flag(queue, "paused", on=False)

    @rule(ms=st.sampled_from([7, 950, 2_000, 9_000, LEASE_MS, LEASE_MS, MINUTE_MS + 1, HOUR_MS, 25 * HOUR_MS]))
    def sees_time_pass(self, ms: int) -> None:
        self.wait(self.store.pass_time(ms))

    @precondition(lambda self: self.current())
    @rule()
    def loses_its_workers(self) -> None:
        self.wait(self.store.pass_time(LEASE_MS))
        self.claim("w4", QUEUES, 2)

    # ── what must be true ───────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def agrees_and_is_sound(self) -> None:
        before, self.seen = self.seen, self.wait(take_snapshot(self.store))
        check_agreement(self.seen, self.policy)
        check_invariants(self.seen, QUEUES, self.now_ms)
        if before is not None:
            check_step(before, self.seen)

    def teardown(self) -> None:
        """Whatever happened: every job ends, once, and nothing is left behind."""
        try:
            if self.seen is not None:
                self.let_all_end()
        finally:
            self.check_done_events()

    def let_all_end(self) -> None:
        for user in ALLOWANCES:
            self.reshare(user, Allowance(slots=2))
        for passing_ms in [2 * MINUTE_MS] + 20 * [DAY_MS]:
            while self.claim("w5", QUEUES, 5):
                for claim in self.current():
                    self.end(claim, "succeed", 0, "settle")
            self.wait(self.store.pass_time(passing_ms))
            for queue in QUEUES:
                self.sweep(queue, 100)
            if not any(len(queue) for queue in self.policy.queues.values()):
                break
        self.agrees_and_is_sound()
        assert self.seen is not None
        check_at_rest(self.seen, QUEUES)


def test_the_scripts_do_what_the_model_says_and_keep_the_invariants(
    valkey: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    Moves.ids = []

    def next_id(_prefix: str) -> str:
        Moves.ids.append(f"job_{len(Moves.ids):04}")
        return Moves.ids[-1]

    monkeypatch.setattr("libs.admission.admit.new_id", next_id)
    with asyncio.Runner() as runner, redis.Redis.from_url(valkey.url) as listener:
        Moves.loop = runner.get_loop()
        Moves.store = ClockedStore(parse_url(valkey.url), Keyspace.with_prefix("arqade"), timeout_s=PATIENCE_S)
        Moves.done = listener.pubsub(ignore_subscribe_messages=True)
        Moves.done.psubscribe(Moves.store.keys.events + "*", "test:end")  # type: ignore[no-untyped-call]
        run_state_machine_as_test(
            Moves,
            settings=settings(
                max_examples=examples(SHARE),
                stateful_step_count=STEPS,
                suppress_health_check=list(HealthCheck),
            ),
        )
        Moves.done.close()
        Moves.loop.run_until_complete(Moves.store.close())
