from __future__ import annotations

from dataclasses import replace

import pytest

from libs.planner.job import Allowance, Order
from libs.planner.policy import Claim, Policy
from libs.planner.steps import CRASHES_MAX
from libs.planner.units import DAY_MS

NOW, LEASE = 20_000 * DAY_MS, 30_000
ORDER = Order("usr_a", "cpu")
ALLOWANCE = Allowance(slots=2)


def submit(policy: Policy, job_id: str = "job_1", now_ms: int = NOW, order: Order = ORDER) -> str:
    return policy.submit(job_id, order, ALLOWANCE, now_ms).outcome


def claim(policy: Policy, now_ms: int = NOW, n: int = 10) -> list[Claim]:
    return list(policy.claim("w", ["cpu"], n, LEASE, now_ms).jobs)


def claimed(policy: Policy, now_ms: int = NOW) -> Claim:
    submit(policy, now_ms=now_ms)
    (one,) = claim(policy, now_ms)
    return one


def units(policy: Policy) -> tuple[int, int]:
    usage = policy.units.days["usr_a", NOW // DAY_MS]
    return usage.held, usage.used


def test_a_job_goes_from_submission_to_its_end_and_is_paid_once() -> None:
    policy = Policy()
    one = claimed(policy)
    assert units(policy) == (1, 0)
    for _ in range(2):
        assert policy.finish("job_1", one.fence, "succeed", NOW + 500) == "done"
    job = policy.jobs["job_1"]
    assert (job.status, job.attempt, job.run_ms) == ("succeeded", 1, 500)
    assert units(policy) == (0, 1)
    assert not policy.queues["cpu"]


@pytest.mark.parametrize(
    "allowance, order, code",
    [
        (Allowance(queued_max=0), ORDER, "queue_limit"),
        (Allowance(units_per_day=2), replace(ORDER, units=3), "quota_exceeded"),
        (Allowance(), replace(ORDER, queue="draining"), "draining"),
        (Allowance(), replace(ORDER, queue="full"), "queue_full"),
    ],
)
def test_a_refusal_changes_nothing(allowance: Allowance, order: Order, code: str) -> None:
    policy = Policy(size_max=1)
    policy.queues["draining"].draining = True
    submit(policy, "job_0", order=Order("usr_b", "full"))
    assert policy.submit("job_1", order, allowance, NOW).outcome == code
    assert policy.jobs.keys() == {"job_0"}
    assert units(policy) == (0, 0)


def test_a_revoked_key_admits_nothing_and_replays_nothing() -> None:
    policy = Policy()
    submit(policy, order=replace(ORDER, idempotency="k"))
    again = policy.submit("job_2", replace(ORDER, idempotency="k"), ALLOWANCE, NOW, credential_good=False)
    assert (again.outcome, again.job_id) == ("invalid_token", None)


def test_an_idempotency_key_names_one_job_until_a_day_after_its_end() -> None:
    policy, order = Policy(), replace(ORDER, idempotency="k", fingerprint="f")
    assert submit(policy, "job_1", order=order) == "admitted"
    assert policy.submit("job_2", order, ALLOWANCE, NOW + 9 * DAY_MS).job_id == "job_1"
    assert submit(policy, "job_2", order=replace(order, fingerprint="g")) == "idempotency_key_reused"
    policy.cancel("usr_a", "job_1", NOW)
    assert submit(policy, "job_2", NOW + DAY_MS - 1, order) == "replayed"
    assert submit(policy, "job_2", NOW + DAY_MS, order) == "admitted"


def test_a_lease_that_runs_out_is_a_crash_and_three_of_them_are_the_end() -> None:
    policy = Policy()
    submit(policy)
    for crashes in range(CRASHES_MAX):
        assert len(claim(policy, NOW + crashes * LEASE)) == 1
        assert policy.jobs["job_1"].crashes == crashes
    assert claim(policy, NOW + CRASHES_MAX * LEASE) == []
    assert (policy.jobs["job_1"].status, policy.dead) == ("failed", ["job_1"])
    assert units(policy) == (0, 0)


def test_after_an_outage_each_lease_gets_one_more_before_it_counts() -> None:
    policy = Policy()
    one = claimed(policy)
    late = NOW + 10 * LEASE
    assert policy.claim("w2", ["cpu"], 1, LEASE, late, after_outage=True).jobs == ()
    assert policy.renew([("job_1", one.fence)], LEASE, late) == {}
    assert policy.jobs["job_1"].crashes == 0


def test_a_stale_attempt_writes_nothing() -> None:
    policy = Policy()
    stale = claimed(policy)
    (fresh,) = claim(policy, NOW + LEASE)
    assert policy.finish("job_1", stale.fence, "succeed", NOW + LEASE) == "fenced"
    assert policy.renew([("job_1", stale.fence)], LEASE, NOW + LEASE) == {"job_1": "lost"}
    assert not policy.may_report("job_1", stale.fence)
    assert policy.may_report("job_1", fresh.fence)


@pytest.mark.parametrize(
    "ending, counts", [("retry", (1, 0, True)), ("release", (0, 1, True)), ("unstart", (0, 1, False))]
)
def test_failures_releases_and_starts_are_counted_apart(ending: str, counts: tuple[int, int, bool]) -> None:
    policy = Policy()
    one = claimed(policy)
    policy.finish("job_1", one.fence, ending, NOW, delay_ms=2_000)  # type: ignore[arg-type]
    job = policy.jobs["job_1"]
    assert (job.failures, job.releases, job.started) == counts
    assert policy.claim("w", ["cpu"], 1, LEASE, NOW).next_due_ms == 2_000
    assert [one.attempt for one in claim(policy, NOW + 2_000)] == [2]


def test_a_scheduled_job_waits_for_its_time_and_its_deadline_counts_from_then() -> None:
    policy = Policy()
    submit(policy, order=replace(ORDER, run_at_ms=NOW + 60_000, deadline_ms=1_000))
    assert policy.jobs["job_1"].status == "scheduled"
    assert claim(policy, NOW + 59_999) == []
    assert len(claim(policy, NOW + 60_000)) == 1


@pytest.mark.parametrize("slots", [0, 1], ids=["held", "ready"])
def test_past_its_deadline_a_job_expires_free_of_charge(slots: int) -> None:
    policy = Policy()
    policy.submit("job_1", replace(ORDER, deadline_ms=1_000), Allowance(slots=slots), NOW)
    assert policy.sweep("cpu", 10, 0, NOW + 999) == (0, 0)
    assert policy.sweep("cpu", 10, 0, NOW + 1_000) == (1, 0)
    assert policy.jobs["job_1"].status == "expired"
    assert units(policy) == (0, 0)


def test_cancel_is_at_once_while_a_job_waits_and_a_request_while_it_runs() -> None:
    policy = Policy()
    one = claimed(policy)
    assert policy.cancel("usr_b", "job_1", NOW) == "not_found"
    assert policy.cancel("usr_a", "job_1", NOW) == "requested"
    assert policy.renew([("job_1", one.fence)], LEASE, NOW) == {"job_1": "cancel"}
    policy.finish("job_1", one.fence, "retry", NOW)
    assert policy.cancel("usr_a", "job_1", NOW) == "canceled"
    submit(policy, "job_2")
    assert policy.cancel("usr_a", "job_2", NOW) == "canceled"
    assert claim(policy) == []


def test_a_job_at_its_provider_has_no_slot_and_goes_on_with_its_attempt_when_woken() -> None:
    policy = Policy()
    one = claimed(policy)
    policy.finish("job_1", one.fence, "wait", NOW, delay_ms=DAY_MS)
    assert policy.queues["cpu"].shares["usr_a"].open == set()
    assert claim(policy) == []
    policy.wake("job_1", NOW + 5)
    (again,) = claim(policy, NOW + 5)
    assert (again.attempt, again.fence) == (1, "w:2")


def test_a_paused_queue_hands_nothing_out() -> None:
    policy = Policy()
    submit(policy)
    policy.queues["cpu"].paused = True
    assert claim(policy) == []
    policy.queues["cpu"].paused = False
    assert len(claim(policy)) == 1
