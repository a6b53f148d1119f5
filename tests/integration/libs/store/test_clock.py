"""A clock of Redis that steps: what lies further ahead than its own span is over, what is meant stays as it is."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from libs.access.api_key import digest
from libs.access.api_keys import revoke_api_key
from libs.access.caller import Caller
from libs.access.directory import Directory
from libs.access.streams import Streams
from libs.accounts.usage import Period, read_usage
from libs.admission.admit import Admission
from libs.admission.rate import RateRule
from libs.admission.rate import take as take_token
from libs.backends.breaker import Breaker
from libs.backends.breaker import Rule as BreakerRule
from libs.backends.breaker.scripts import ENTER, LEAVE
from libs.backends.configured import ConfiguredServer
from libs.backends.fleet.health import RECOVERY_S, Health
from libs.backends.fleet.needs import Needs
from libs.backends.limiter import Limiter
from libs.backends.limiter import Rule as LimiterRule
from libs.batches.tend import _take_due
from libs.errors import Refusal, Unavailable
from libs.jobs.gate import open_gate, shut_gate
from libs.jobs.lifecycle import Claim, Held, claim, finish, renew
from libs.jobs.lookup import load_job
from libs.store.client import Store
from libs.store.turns import leave_turn, take_turn
from libs.webhooks.deliveries import send_ping
from libs.webhooks.endpoints import create_endpoint
from libs.webhooks.outbox import Ending
from libs.webhooks.outbox import finish as finish_delivery
from libs.webhooks.outbox import take as take_deliveries
from libs.webhooks.secrets import Secrets
from tests.fakes.callers import make_caller
from tests.fakes.callers import submit as submit_by
from tests.fakes.clock import ClockedStore
from tests.integration.libs.access.test_api_keys import PEPPER, new_key

LEASE_S = 30.0
QUEUE = "cpu"
STEPS_MS = [300_000, 3_600_000]


@pytest.fixture(params=STEPS_MS, ids=["5 min", "1 h"])
def step_ms(request: pytest.FixtureRequest) -> int:
    return int(request.param)


async def submit(store: Store, caller: Caller, **members: Any) -> Admission:
    """With a deadline that no step reaches."""
    return await submit_by(store, caller, **({"deadline_s": 86_400.0} | members))


async def step_back(store: ClockedStore, ms: int) -> None:
    await store.travel_to(store.now_ms - ms)


async def step_forward(store: ClockedStore, ms: int) -> None:
    """Keys that expire go by the same clock."""
    await store.pass_time(ms)


async def beat(store: Store, *held: Claim) -> dict[str, str]:
    """The heartbeat of a worker that runs these."""
    leases = [Held(one.queue, one.job_id, one.fence) for one in held]
    return await renew(store, leases, LEASE_S, queues=[QUEUE], newcomer=False)


async def claimed(store: Store, worker: str = "w", **more: Any) -> list[Claim]:
    return list((await claim(store, worker, [QUEUE], 10, LEASE_S, **more)).jobs)


async def live(store: ClockedStore, seconds: float, *held: Claim) -> None:
    """A worker lives on for so long."""
    for _ in range(int(seconds / (LEASE_S / 3))):
        await store.pass_time(int(LEASE_S * 1000 / 3))
        await beat(store, *held)


# a step back


async def test_a_bucket_holds_nobody_up_for_longer_than_its_window(clocked: ClockedStore, step_ms: int) -> None:
    caller, rule = make_caller(reads_per_minute=2), RateRule()
    for _ in range(2):
        await take_token(clocked, caller, "reads", rule)
    with pytest.raises(Refusal):
        await take_token(clocked, caller, "reads", rule)
    await step_back(clocked, step_ms)
    assert (await take_token(clocked, caller, "reads", rule)).remaining == 1


async def test_a_worker_that_lives_keeps_its_jobs_and_one_that_died_loses_them_a_lease_later(
    clocked: ClockedStore, step_ms: int
) -> None:
    for _ in range(2):
        await submit(clocked, make_caller())
    dead, alive = [(await claim(clocked, worker, [QUEUE], 1, LEASE_S)).jobs[0] for worker in ("dead", "alive")]
    await beat(clocked, dead, alive)
    await clocked.pass_time(1_000)
    await step_back(clocked, step_ms)
    assert await beat(clocked, alive) == {}
    assert await claimed(clocked) == [], "a lease is a lease"
    await live(clocked, LEASE_S * 4 / 3, alive)
    (rescued,) = await claimed(clocked)
    assert rescued.job_id == dead.job_id
    assert (await load_job(clocked, alive.user_id, alive.job_id)).crashes == 0
    await finish(clocked, alive.job_id, alive.fence, "succeed")


async def test_a_newcomer_sees_the_step_as_well(clocked: ClockedStore, step_ms: int) -> None:
    await submit(clocked, make_caller())
    (dead,) = await claimed(clocked, "dead")
    await beat(clocked, dead)
    await step_back(clocked, step_ms)
    assert await claimed(clocked, newcomer=True) == []
    await live(clocked, LEASE_S * 4 / 3)
    assert [one.job_id for one in await claimed(clocked)] == [dead.job_id]


async def test_a_retry_waits_as_long_as_it_was_to_and_what_is_scheduled_is_never_early(
    clocked: ClockedStore, step_ms: int
) -> None:
    retried = await submit(clocked, make_caller())
    (first,) = await claimed(clocked)
    await beat(clocked, first)
    await finish(clocked, first.job_id, first.fence, "retry", delay_s=60)
    scheduled = await submit(clocked, make_caller(), run_at_ms=clocked.now_ms + 600_000)
    at_ms = clocked.now_ms
    await step_back(clocked, step_ms)
    await live(clocked, 50)
    assert await claimed(clocked) == []
    await live(clocked, 20)
    assert [one.job_id for one in await claimed(clocked)] == [retried.job_id]
    await clocked.travel_to(at_ms + 599_000, expiring=False)
    await beat(clocked)
    assert scheduled.job_id not in [one.job_id for one in await claimed(clocked)]
    await clocked.travel_to(at_ms + 600_000, expiring=False)
    assert scheduled.job_id in [one.job_id for one in await claimed(clocked)]


async def test_a_job_of_arqs_own_that_was_deferred_is_never_early(clocked: ClockedStore, step_ms: int) -> None:
    await beat(clocked)
    await clocked.call("ZADD", clocked.keys.zset_of(QUEUE), clocked.now_ms + 60_000, "foreign")
    await step_back(clocked, step_ms)
    await beat(clocked)
    score = await clocked.call("ZSCORE", clocked.keys.zset_of(QUEUE), "foreign")
    assert int(float(score)) == clocked.now_ms + step_ms + 60_000


async def test_a_turn_is_taken_over_as_if_its_holder_had_died(clocked: ClockedStore, step_ms: int) -> None:
    assert await take_turn(clocked, "turn", "a", 5_000)
    assert not await take_turn(clocked, "turn", "b", 5_000)
    await step_back(clocked, step_ms)
    assert await take_turn(clocked, "turn", "b", 5_000)
    assert not await take_turn(clocked, "turn", "a", 5_000)
    await leave_turn(clocked, "turn", "a")
    assert not await take_turn(clocked, "turn", "a", 5_000), "it was not a's to leave"
    await leave_turn(clocked, "turn", "b")
    assert await take_turn(clocked, "turn", "a", 5_000)


async def test_streams_whose_process_died_make_room(clocked: ClockedStore, step_ms: int) -> None:
    async with AsyncExitStack() as stack:
        streams = Streams(clocked, most=1)
        await stack.enter_async_context(streams.entered("key"))
        with pytest.raises(Refusal):
            async with Streams(clocked, most=1).entered("key"):
                pass
        await step_back(clocked, step_ms)
        async with Streams(clocked, most=1).entered("key"):
            await streams.renew()
        with pytest.raises(Refusal):
            async with Streams(clocked, most=1).entered("key"):
                pass


async def breaker_words(store: Store, word: str, call: str = "c") -> list[Any]:
    return list(await store.run(LEAVE, (), ("b", call, word, 1, 10, 60_000, 5_000, 60_000, 1)))


async def test_a_breaker_is_open_no_longer_than_its_phase_and_waits_for_no_probe_of_before(
    clocked: ClockedStore, step_ms: int
) -> None:
    assert (await breaker_words(clocked, "failure"))[0] == b"open"
    await step_back(clocked, step_ms)
    assert (await clocked.run(ENTER, (), ("b", "one", 2_000)))[0] == b"probe"
    assert (await clocked.run(ENTER, (), ("b", "two", 2_000)))[0] == b"half_open"
    await step_back(clocked, step_ms)
    assert (await clocked.run(ENTER, (), ("b", "two", 2_000)))[0] == b"probe"


async def test_a_gate_is_shut_no_longer_than_was_said(clocked: ClockedStore, step_ms: int) -> None:
    await open_gate(clocked, "noop", places=5, in_flight_max=5)
    await submit(clocked, make_caller())
    await shut_gate(clocked, "noop", 20)
    assert await claimed(clocked) == []
    await step_back(clocked, step_ms)
    await shut_gate(clocked, "noop", 5)
    assert await claimed(clocked) == []
    await clocked.pass_time(5_000)
    assert len(await claimed(clocked)) == 1


async def test_a_limiter_gives_its_upstream_neither_less_nor_more(clocked: ClockedStore, step_ms: int) -> None:
    limiter = Limiter(clocked, "l", LimiterRule(per_minute=6))
    async with limiter.slot(deadline_s=0) as slot:
        await slot.refuse(20)
    await step_back(clocked, step_ms)
    with pytest.raises(Unavailable) as refused:
        async with limiter.slot(deadline_s=0):
            pass
    assert 10 < refused.value.retry_in_s <= 20
    await clocked.pass_time(20_000)
    assert (await limiter.use()).requests == 1, "what was sent before counts as long as it would have"
    async with limiter.slot(deadline_s=0):
        pass
    await clocked.pass_time(45_000)
    assert (await limiter.use()).requests == 1, "and no longer"


async def test_a_server_that_was_sick_recovers_in_its_time(clocked: ClockedStore, step_ms: int) -> None:
    server = ConfiguredServer("a", "http://a", slots=2)
    health = Health(clocked, server, Breaker(clocked, "a", BreakerRule(), part="comfyui"), ["gpu"])

    async def good() -> dict[str, str]:
        return {}

    await health.sideline("device_lost")
    await health.probe(good)
    await step_back(clocked, step_ms)
    assert await health.probe(good) == "sick"
    await clocked.pass_time(int(RECOVERY_S * 1000))
    assert await health.probe(good) == "well"


async def test_a_slot_of_a_server_that_nobody_frees_lapses_in_its_time(clocked: ClockedStore, step_ms: int) -> None:
    server = ConfiguredServer("a", "http://a", slots=1)
    health = Health(clocked, server, Breaker(clocked, "a", BreakerRule(), part="comfyui"), ["cpu"])

    async def good() -> dict[str, str]:
        return {}

    await health.probe(good)
    await clocked.call("ZADD", clocked.keys.slots + "a", clocked.now_ms + 90_000, "lost")
    await submit(clocked, make_caller(), needs=Needs.of().stored)
    await step_back(clocked, step_ms)
    await health.probe(good)
    assert await claimed(clocked, servers={"a": 1}) == []
    for _ in range(10):
        await live(clocked, 10)
    assert len(await claimed(clocked, servers={"a": 1})) == 1


async def test_webhooks_go_on_and_their_retries_are_not_early(clocked: ClockedStore, step_ms: int) -> None:
    user = "usr_01jd3f8x5e0000000000000000"
    hook = await create_endpoint(
        clocked,
        Secrets(b"pepper"),
        user,
        url="https://example.com/",
        events=("job.succeeded",),
        description="",
        token=None,
    )
    for _ in range(2):
        await send_ping(clocked, user, hook.id)

    async def due() -> list[Any]:
        return list((await take_deliveries(clocked, "courier", lease_s=LEASE_S, most=1, ailing=1)).due)

    (failing,), (dying,) = await due(), await due()
    assert await finish_delivery(clocked, failing, Ending("failed", 60, 0.1, 500), 600) == "retried"
    await step_back(clocked, step_ms)
    assert await due() == []
    await clocked.pass_time(int(LEASE_S * 1000) + 1_000)
    assert [one.id for one in await due()] == [dying.id], "whoever had it died"
    await clocked.pass_time(20_000)
    assert await due() == [], "not before its time"
    await clocked.pass_time(10_000)
    assert failing.id in [one.id for one in [*await due(), *await due()]]


async def test_a_batch_is_looked_after_as_soon_as_it_was_to_be(clocked: ClockedStore, step_ms: int) -> None:
    keys = clocked.keys
    await _take_due(clocked, 1, 1.0)
    for batch in ("running", "draft"):
        await clocked.call("ZADD", keys.batches_due, clocked.now_ms + 1_000, f"user {batch}")
    await clocked.call("HSET", keys.batch + "running", "status", "running")
    await step_back(clocked, step_ms)
    assert await _take_due(clocked, 9, 6.0) == []
    await clocked.pass_time(1_000)
    assert [one.batch_id for one in await _take_due(clocked, 9, 6.0)] == ["running"]


async def test_a_revoked_key_stays_revoked(clocked: ClockedStore, step_ms: int) -> None:
    api_key, secret = await new_key(clocked, lives_s=100_000_000)  # longer than the test's time is behind
    caller = await Directory(clocked).find_caller(digest(secret, PEPPER))
    assert caller is not None
    await revoke_api_key(clocked, api_key.id)
    await step_back(clocked, step_ms)
    assert await Directory(clocked).find_caller(digest(secret, PEPPER)) is None
    with pytest.raises(Refusal, match="invalid_token"):
        await submit(clocked, caller)


async def test_a_key_is_replayed_after_a_step(clocked: ClockedStore, step_ms: int) -> None:
    caller, again = make_caller(), {"idempotency": "k", "fingerprint": "f"}
    first = await submit(clocked, caller, **again)
    await step_back(clocked, step_ms)
    assert (await submit(clocked, caller, **again)).job_id == first.job_id


# midnight


@pytest.mark.parametrize("day", ["2025-10-31", "2025-12-31", "2028-02-28", "2028-02-29", "2026-03-28", "2026-10-24"])
async def test_units_count_on_the_day_they_were_held_whatever_midnight_came_between(
    clocked: ClockedStore, day: str
) -> None:
    """Month and year ends, leap days, and the days on which clocks change in Europe: days are UTC's."""
    first = date.fromisoformat(day)
    caller = make_caller()
    midnight_ms = int(datetime.combine(first + timedelta(days=1), datetime.min.time(), UTC).timestamp() * 1000)
    await clocked.travel_to(midnight_ms - 1, expiring=False)
    await submit(clocked, caller, units=3)
    (held,) = await claimed(clocked)
    await clocked.pass_time(1)
    await submit(clocked, caller, units=2)
    await finish(clocked, held.job_id, held.fence, "succeed")
    days_ = [Period("day", first), Period("day", first + timedelta(days=1)), Period("month", first.replace(day=1))]
    used = await read_usage(clocked, caller.user_id, days_)
    assert [(one.used, one.held) for one in used] == [(3, 0), (0, 2), (3, None)]


# a step forward


async def test_no_job_of_a_worker_that_renews_is_rescued_and_no_slot_is_given_twice(
    clocked: ClockedStore, step_ms: int
) -> None:
    server = {"a": 1}
    for _ in range(2):
        await submit(clocked, make_caller(), needs=Needs.of().stored)
    (held,) = await claimed(clocked, "w1", servers=server)
    await beat(clocked, held)
    await clocked.pass_time(1_000)
    await step_forward(clocked, step_ms)
    assert await claimed(clocked, "w2", servers=server) == []
    assert await beat(clocked, held) == {}
    await live(clocked, 3 * LEASE_S, held)
    assert await claimed(clocked, "w2", servers=server) == []
    await finish(clocked, held.job_id, held.fence, "succeed")
    job = await load_job(clocked, held.user_id, held.job_id)
    assert (job.crashes, job.attempt) == (0, 1)
    assert job.run_ms < 4 * LEASE_S * 1000 < step_ms, "nobody is charged for what the clock has skipped"


async def test_a_worker_that_died_before_the_step_loses_its_jobs_a_lease_after_it(
    clocked: ClockedStore, step_ms: int
) -> None:
    await submit(clocked, make_caller())
    (dead,) = await claimed(clocked, "dead")
    await beat(clocked, dead)
    await step_forward(clocked, step_ms)
    await beat(clocked)
    assert await claimed(clocked) == []
    await live(clocked, LEASE_S * 4 / 3)
    assert [one.job_id for one in await claimed(clocked)] == [dead.job_id]
