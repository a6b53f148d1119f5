"""The scripts that move a job, one after the other, on a real Redis."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import orjson
import pytest

from libs.admission.rate import RateRule
from libs.errors import Refusal
from libs.jobs.events import EventHub
from libs.jobs.lifecycle import Claim, FencedError, Held, cancel, claim, finish, renew, report, sweep, wake
from libs.jobs.lookup import Wanted, list_jobs, load_job, place_of
from libs.store.client import Store
from tests.fakes.callers import make_caller, submit
from tests.fakes.clock import ClockedStore

LEASE_S = 30.0


async def claim_some(store: Store, n: int = 10, worker: str = "w1", lease_s: float = LEASE_S) -> tuple[Claim, ...]:
    return (await claim(store, worker, ["cpu"], n, lease_s)).jobs


async def usage(store: Store, user_id: str) -> tuple[int, int]:
    keys = await store.call("KEYS", store.keys.usage + user_id + ":*")
    held, used = await store.call("HMGET", keys[0], "held", "used")
    return int(held or 0), int(used or 0)


async def at_rest(store: Store, user_id: str) -> bool:
    """Nothing of the user is open, held, queued or leased."""
    keys = store.keys
    share = user_id + ":cpu"
    left = await asyncio.gather(
        store.call("SCARD", keys.open + share),
        store.call("ZCARD", keys.lanes + share),
        store.call("SCARD", keys.queued + user_id),
        store.call("ZCARD", keys.zset_of("cpu")),
    )
    running = await store.call("KEYS", keys.arq_running + "*")
    payloads = await store.call("KEYS", keys.arq_job + "*")
    return not any(left) and not running and not payloads


async def test_an_admitted_job_is_claimed_run_and_found_again(store: Store) -> None:
    caller = make_caller()
    admission = await submit(store, caller, input={"text": "hallo"}, metadata={"a": 1})
    assert admission.job is not None
    assert admission.job.status == "queued"
    assert (await load_job(store, caller.user_id, admission.job_id)) == admission.job

    (claimed,) = await claim_some(store)
    assert (claimed.job_id, claimed.attempt, claimed.user_id, claimed.kind) == (
        admission.job_id, 1, caller.user_id, "noop",
    )  # fmt: skip
    running = await load_job(store, caller.user_id, admission.job_id)
    assert (running.status, running.input) == ("running", {"text": "hallo"})

    await finish(store, claimed.job_id, claimed.fence, "succeed", output={"n": 2})
    done = await load_job(store, caller.user_id, admission.job_id)
    assert (done.status, done.output, done.input, done.metadata) == ("succeeded", {"n": 2}, {"text": "hallo"}, {"a": 1})
    assert await usage(store, caller.user_id) == (0, 1)
    assert await at_rest(store, caller.user_id)


async def test_an_ending_may_be_sent_twice_and_counts_once(store: Store) -> None:
    caller = make_caller()
    await submit(store, caller, units=3)
    (claimed,) = await claim_some(store)
    for _ in range(2):
        await finish(store, claimed.job_id, claimed.fence, "succeed")
    assert await usage(store, caller.user_id) == (0, 3)


async def test_a_stale_attempt_can_write_nothing(store: Store) -> None:
    caller = make_caller()
    await submit(store, caller)
    (stale,) = await claim_some(store, lease_s=0.001)
    await asyncio.sleep(0.01)
    (fresh,) = await claim_some(store, worker="w2")
    assert (fresh.job_id, fresh.attempt) == (stale.job_id, 2)
    with pytest.raises(FencedError):
        await report(store, stale.job_id, stale.fence, event="progress", data={})
    with pytest.raises(FencedError):
        await finish(store, stale.job_id, stale.fence, "succeed", output={"stale": True})
    assert await renew(store, [Held("cpu", stale.job_id, stale.fence)], LEASE_S) == {stale.job_id: "lost"}
    await finish(store, fresh.job_id, fresh.fence, "succeed", output={"stale": False})
    job = await load_job(store, caller.user_id, fresh.job_id)
    assert job.output == {"stale": False}
    assert (job.crashes, job.failures) == (1, 0)
    assert await at_rest(store, caller.user_id)


async def test_a_job_whose_workers_die_three_times_is_dead_and_free(store: Store) -> None:
    caller = make_caller()
    admission = await submit(store, caller)
    for _ in range(3):
        assert len(await claim_some(store, lease_s=0.001)) == 1
        await asyncio.sleep(0.01)
    assert await claim_some(store) == ()
    job = await load_job(store, caller.user_id, admission.job_id)
    assert job.status == "failed"
    assert job.error is not None
    assert job.error["code"] == "worker_lost"
    assert await usage(store, caller.user_id) == (0, 0)
    assert await store.call("ZRANGE", store.keys.dead, 0, -1) == [admission.job_id.encode()]
    assert await at_rest(store, caller.user_id)


async def test_after_an_outage_nobody_is_rescued_for_one_lease(store: Store) -> None:
    caller = make_caller()
    await submit(store, caller)
    (held,) = await claim_some(store, lease_s=0.05)
    await asyncio.sleep(0.06)
    after = await claim(store, "w2", ["cpu"], 10, 0.05, after_outage=True)
    assert after.jobs == ()
    assert await renew(store, [Held("cpu", held.job_id, held.fence)], LEASE_S) == {}
    await finish(store, held.job_id, held.fence, "succeed")
    assert (await load_job(store, caller.user_id, held.job_id)).crashes == 0


async def test_a_retry_uses_an_attempt_and_a_release_does_not(store: Store) -> None:
    caller = make_caller()
    admission = await submit(store, caller)
    (first,) = await claim_some(store)
    await finish(store, first.job_id, first.fence, "retry", delay_s=0, error={"code": "x"})
    (second,) = await claim_some(store)
    assert second.failures == 1
    await finish(store, second.job_id, second.fence, "release", delay_s=0)
    (third,) = await claim_some(store)
    assert (third.failures, third.attempt) == (1, 3)
    await finish(store, third.job_id, third.fence, "unstart", delay_s=60)
    job = await load_job(store, caller.user_id, admission.job_id)
    assert (job.status, job.failures, job.releases, job.started_at_ms) == ("queued", 1, 2, None)
    assert await claim_some(store) == ()


async def test_cancel_takes_a_waiting_job_at_once_and_asks_a_running_one(store: Store) -> None:
    caller = make_caller()
    waiting = await submit(store, caller)
    assert await cancel(store, caller.user_id, waiting.job_id) == "canceled"
    assert await cancel(store, caller.user_id, waiting.job_id) == "canceled"
    assert await usage(store, caller.user_id) == (0, 0)

    await submit(store, caller)
    (running,) = await claim_some(store, worker="w1")
    assert await cancel(store, "usr_other", running.job_id) == "not_found"
    assert await cancel(store, caller.user_id, running.job_id) == "requested"
    assert await store.call("LRANGE", store.keys.control + "w1", 0, -1) == [b"cancel " + running.job_id.encode()]
    assert await renew(store, [Held("cpu", running.job_id, running.fence)], LEASE_S) == {running.job_id: "cancel"}
    await finish(store, running.job_id, running.fence, "release")
    assert (await load_job(store, caller.user_id, running.job_id)).status == "canceled"
    assert await cancel(store, caller.user_id, running.job_id) == "canceled"
    assert await at_rest(store, caller.user_id)


async def test_the_same_idempotency_key_makes_one_job_and_another_body_is_refused(store: Store) -> None:
    caller = make_caller("free")
    wanted: dict[str, Any] = {"idempotency": "digest", "fingerprint": "a"}
    admissions = await asyncio.gather(*(submit(store, caller, **wanted) for _ in range(50)))
    assert len({admission.job_id for admission in admissions}) == 1
    assert Counter(admission.replayed for admission in admissions) == {False: 1, True: 49}
    with pytest.raises(Refusal, match="idempotency_key_reused"):
        await submit(store, caller, idempotency="digest", fingerprint="b")
    assert await usage(store, caller.user_id) == (1, 0)


async def test_refusals_leave_nothing_behind(store: Store) -> None:
    caller = make_caller("free", slots=0)
    for _ in range(5):
        await submit(store, caller, rate_rule=RateRule())
    before = await store.call("DBSIZE")
    with pytest.raises(Refusal, match="rate_limited") as limited:
        await submit(store, caller, rate_rule=RateRule())
    assert 11 < (limited.value.retry_after_s or 0) <= 12
    with pytest.raises(Refusal, match="quota_exceeded"):
        await submit(store, caller, units=6)
    assert await store.call("DBSIZE") == before
    for _ in range(5):
        await submit(store, caller)
    with pytest.raises(Refusal, match="queue_limit"):
        await submit(store, caller)
    assert await usage(store, caller.user_id) == (10, 0)


async def test_a_job_past_its_deadline_expires_free_of_charge_held_or_ready(store: Store) -> None:
    caller = make_caller(slots=1)
    ready = await submit(store, caller, deadline_s=0.001)
    held = await submit(store, caller, deadline_s=0.001)
    await asyncio.sleep(0.01)
    assert sum([(await sweep(store, "cpu", most=10, offset=0))[0] for _ in range(2)]) == 2
    for admission in (ready, held):
        assert (await load_job(store, caller.user_id, admission.job_id)).status == "expired"
    assert await usage(store, caller.user_id) == (0, 0)
    assert await at_rest(store, caller.user_id)


async def test_a_scheduled_job_waits_for_its_time(store: Store) -> None:
    caller = make_caller()
    now_s, now_us = await store.call("TIME")
    run_at_ms = int(now_s) * 1000 + int(now_us) // 1000 + 60
    admission = await submit(store, caller, run_at_ms=run_at_ms)
    assert admission.job is not None
    assert admission.job.status == "scheduled"
    early = await claim(store, "w1", ["cpu"], 10, LEASE_S)
    assert early.jobs == ()
    assert early.next_due_ms is not None
    await asyncio.sleep(early.next_due_ms / 1000 + 0.005)
    assert len(await claim_some(store)) == 1


async def test_a_users_second_job_waits_behind_its_slots_and_says_where(store: Store) -> None:
    caller = make_caller(slots=1)
    first, second, third = [await submit(store, caller) for _ in range(3)]
    (claimed,) = await claim_some(store)
    assert claimed.job_id == first.job_id
    job = await load_job(store, caller.user_id, third.job_id)
    place = await place_of(store, job)
    assert place is not None
    assert place.position == 1
    await finish(store, claimed.job_id, claimed.fence, "succeed")
    (claimed,) = await claim_some(store)
    assert claimed.job_id == second.job_id


async def test_priority_goes_before_age_within_a_user(store: Store) -> None:
    caller = make_caller(slots=1)
    jobs = [await submit(store, caller, priority=priority) for priority in (0, 0, 5, -5, 9)]
    order = []
    for _ in jobs:
        (claimed,) = await claim_some(store)
        order.append([admission.job_id for admission in jobs].index(claimed.job_id))
        await finish(store, claimed.job_id, claimed.fence, "succeed")
    assert order == [0, 4, 2, 1, 3]  # the first was promoted before the others came


async def test_fairness_keys_of_a_user_share_equally(clocked: ClockedStore) -> None:
    caller = make_caller(slots=1)
    for store_name, count in (("a", 20), ("b", 4)):
        for _ in range(count):
            await submit(clocked, caller, fairness_key=store_name)
    first = []
    for _ in range(8):
        (claimed,) = await claim_some(clocked)
        await clocked.pass_time(10)  # shares are of slot-seconds: each job takes the same
        first.append((await load_job(clocked, caller.user_id, claimed.job_id)).fairness_key)
        await finish(clocked, claimed.job_id, claimed.fence, "succeed")
    shares = Counter(first)
    assert abs(shares["a"] - shares["b"]) <= 2  # the estimate of what a job takes settles over the first ones


async def test_another_users_first_job_goes_before_a_floods_rest(store: Store) -> None:
    flooder, other = make_caller(slots=2), make_caller(slots=2)
    for _ in range(50):
        await submit(store, flooder)
    running = await claim_some(store, n=2)
    late = await submit(store, other)
    await finish(store, running[0].job_id, running[0].fence, "succeed")
    (claimed,) = await claim_some(store, n=1)
    assert claimed.job_id == late.job_id


async def test_a_list_is_newest_first_in_pages_and_filtered(store: Store) -> None:
    caller = make_caller()
    made = [(await submit(store, caller)).job_id for _ in range(7)]
    await cancel(store, caller.user_id, made[3])
    page = await list_jobs(store, caller.user_id, Wanted(), limit=4)
    rest = await list_jobs(store, caller.user_id, Wanted(), limit=4, before=page.before)
    listed = [job.id for job in page.jobs + rest.jobs]
    assert listed == sorted(made, reverse=True)
    assert rest.before is None
    canceled = await list_jobs(store, caller.user_id, Wanted(status="canceled"), limit=4)
    assert [job.id for job in canceled.jobs] == [made[3]]
    assert (await list_jobs(store, "usr_other", Wanted(), limit=4)).jobs == ()


async def test_a_job_that_waits_at_its_provider_holds_no_slot_and_goes_on_with_its_attempt(store: Store) -> None:
    caller = make_caller(slots=1)
    waiting = await submit(store, caller)
    behind = await submit(store, caller)
    (claimed,) = await claim_some(store)
    await report(store, claimed.job_id, claimed.fence, member="submission", value={"ref": "p1"})
    await finish(store, claimed.job_id, claimed.fence, "wait", delay_s=60)
    with pytest.raises(FencedError):
        await report(store, claimed.job_id, claimed.fence, event="progress", data={})
    job = await load_job(store, caller.user_id, waiting.job_id)
    assert (job.status, job.attempt) == ("running", 1)

    (other,) = await claim_some(store)
    assert other.job_id == behind.job_id
    await finish(store, other.job_id, other.fence, "succeed")
    assert await claim_some(store) == ()

    await wake(store, [waiting.job_id, behind.job_id])
    (again,) = await claim_some(store)
    assert (again.job_id, again.attempt, again.submission) == (waiting.job_id, 1, b'{"ref":"p1"}')
    assert again.fence != claimed.fence
    await finish(store, again.job_id, again.fence, "succeed")
    assert await at_rest(store, caller.user_id)


async def test_a_waiting_job_that_is_canceled_is_claimed_once_more_to_tell_its_provider(store: Store) -> None:
    caller = make_caller()
    await submit(store, caller)
    (claimed,) = await claim_some(store)
    await finish(store, claimed.job_id, claimed.fence, "wait", delay_s=60)
    assert await cancel(store, caller.user_id, claimed.job_id) == "requested"
    (again,) = await claim_some(store)
    assert again.canceled
    await finish(store, again.job_id, again.fence, "cancel")
    assert (await load_job(store, caller.user_id, again.job_id)).status == "canceled"
    assert await at_rest(store, caller.user_id)


async def test_a_paused_queue_admits_and_a_draining_one_does_not(store: Store) -> None:
    caller = make_caller()
    await store.call("HSET", store.keys.queue + "cpu", "paused", 1)
    await submit(store, caller)
    assert await claim_some(store) == ()
    await store.call("HDEL", store.keys.queue + "cpu", "paused")
    await store.call("HSET", store.keys.queue + "cpu", "draining", 1)
    with pytest.raises(Refusal, match="draining"):
        await submit(store, caller)
    assert len(await claim_some(store)) == 1


async def test_a_canceled_job_with_work_left_at_a_backend_is_claimed_once_more_to_end_it(store: Store) -> None:
    caller = make_caller()
    await submit(store, caller)
    (claimed,) = await claim_some(store)
    await report(store, claimed.job_id, claimed.fence, member="submission", value={"ref": "p1"})
    await finish(store, claimed.job_id, claimed.fence, "release", delay_s=0)
    assert await cancel(store, caller.user_id, claimed.job_id) == "requested"
    (again,) = await claim_some(store)
    assert (again.canceled, again.submission) == (True, b'{"ref":"p1"}')
    await finish(store, again.job_id, again.fence, "cancel")
    assert (await load_job(store, caller.user_id, again.job_id)).status == "canceled"
    assert await at_rest(store, caller.user_id)


async def test_previews_are_heard_in_order_and_fill_nothing(store: Store) -> None:
    await submit(store, make_caller(), queue="cpu")
    (claimed,) = await claim_some(store)
    stream = store.keys.events + claimed.job_id
    hub = EventHub(store)
    async with hub.following(claimed.job_id) as following:
        await report(store, claimed.job_id, claimed.fence, event="progress", data={"n": 0})
        events = following.events("0-0")
        heard = [await anext(events)]
        for n in range(1, 20):
            data = {"data": "x" * 64_000, "n": n}
            await report(store, claimed.job_id, claimed.fence, event="preview" if n % 2 else "progress", data=data)
            heard.append(await anext(events))
    assert [orjson.loads(event.data)["n"] for event in heard] == list(range(20))
    assert [event.order for event in heard] == sorted(event.order for event in heard)
    kept = await store.call("XRANGE", stream, "-", "+")
    assert {members[1] for _, members in kept} == {b"progress"}
    for n in range(100):
        await report(store, claimed.job_id, claimed.fence, event="preview", data={"data": "x" * 64_000, "n": n})
    assert await store.call("MEMORY", "USAGE", stream, "SAMPLES", 0) < 11 * 66_000
