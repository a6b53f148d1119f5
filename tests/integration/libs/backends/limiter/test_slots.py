"""One limiter: who starts, who waits, who is refused; and that a refusal costs nothing."""

from __future__ import annotations

import asyncio

import pytest

from libs.backends.limiter import Limiter, NoSlot, Rule, Use
from libs.errors import Unavailable
from libs.store.client import Store
from libs.store.keyspace import Keyspace
from libs.store.url import parse_url
from tests.integration.libs.backends.limiter.conftest import MakeLimiter
from tests.integration.libs.backends.limiter.waiting import die_booked, die_started, starts, until
from tests.patience import PATIENCE_S
from tests.servers import RedisServer, open_store


async def test_the_first_request_starts_at_once_and_the_second_has_to_wait(make: MakeLimiter) -> None:
    limiter = make()
    assert await starts(limiter)
    assert not await starts(limiter)
    assert await starts(limiter, deadline_s=5)
    assert (await limiter.use()).requests == 2


async def test_a_slot_beyond_the_deadline_is_refused_at_once_and_costs_nothing(make: MakeLimiter) -> None:
    limiter = make()
    assert await starts(limiter)
    for _ in range(9):
        await die_booked(limiter)
    before = await limiter.use()
    with pytest.raises(NoSlot) as refused:
        async with limiter.slot(deadline_s=0.5):
            pytest.fail("it was let in")
    assert refused.value.part == "provider:create"
    assert 0.5 < refused.value.retry_in_s < 1.2
    assert (await limiter.use()).queued == before.queued == 9


async def test_the_row_has_an_end(make: MakeLimiter) -> None:
    limiter = make(bookings_max=3)
    assert await starts(limiter)
    for _ in range(3):
        await die_booked(limiter)
    with pytest.raises(NoSlot):
        async with limiter.slot(deadline_s=60):
            pytest.fail("it was let in")


async def test_of_64_that_race_for_one_slot_one_gets_it(valkey: RedisServer) -> None:
    stores = [await open_store(valkey.url) for _ in range(64)]
    racers = [Limiter(store, "provider:create", Rule(per_minute=60)) for store in stores]
    assert sum(await asyncio.gather(*[starts(racer) for racer in racers])) == 1
    use = await racers[0].use()
    assert (use.requests, use.queued) == (1, 0)
    for store in stores:
        await store.close()


async def test_who_waited_starts_in_the_order_of_the_row(make: MakeLimiter) -> None:
    limiter, order = make(per_minute=600), list[int]()

    async def go(number: int) -> None:
        async with limiter.slot(deadline_s=10):
            order.append(number)

    await asyncio.gather(*[go(number) for number in range(20)])
    assert order == list(range(20))


async def test_slots_that_the_dead_had_booked_are_used_by_others(make: MakeLimiter, store: Store) -> None:
    limiter = make()
    assert await starts(limiter)
    for _ in range(40):
        await die_booked(limiter)
    await until(lambda: starts(limiter))
    assert await last(store, store.keys.limiter_row) > await now_ms(store), (
        "it waited until the row of the dead was over"
    )


async def last(store: Store, head: str) -> float:
    """The last time in a row or a log."""
    _, at = await store.call("ZRANGE", head + "provider:create", -1, -1, "WITHSCORES")
    return float(at)


async def now_ms(store: Store) -> float:
    seconds, micros = await store.call("TIME")
    return int(seconds) * 1_000 + int(micros) / 1_000


async def test_what_the_dead_had_sent_counts_as_long_as_it_may_count_upstream(make: MakeLimiter) -> None:
    limiter = make(per_minute=2, window_s=1.0, arrives_within_s=0.5)
    await die_started(limiter)
    await until(lambda: starts(limiter))
    assert (await limiter.use()).requests == 2, "the first was forgotten before its window had passed"
    await until(lambda: forgotten(limiter))


async def test_what_failed_may_have_arrived_and_counts_as_if_it_were_under_way(make: MakeLimiter, store: Store) -> None:
    limiter = make(window_s=0.5, arrives_within_s=10)
    with pytest.raises(ConnectionError):
        async with limiter.slot(deadline_s=0):
            raise ConnectionError
    assert await last(store, store.keys.limiter_log) > await now_ms(store) + 5_000


async def test_what_was_answered_counts_for_one_window(make: MakeLimiter, store: Store) -> None:
    limiter = make(window_s=0.5, arrives_within_s=10)
    assert await starts(limiter)
    assert await last(store, store.keys.limiter_log) < await now_ms(store) + 1_000


async def test_however_short_the_row_no_window_gets_more_than_the_limit(make: MakeLimiter) -> None:
    former, limiter = make(per_minute=6_000), make(per_minute=5)  # as after a change of the setting
    for _ in range(5):
        assert await starts(former, deadline_s=1)
    assert not await starts(limiter, deadline_s=1)
    assert await starts(former, deadline_s=1)


async def forgotten(limiter: Limiter) -> bool:
    return (await limiter.use()).requests == 0


async def test_a_caller_that_gives_up_gives_its_slot_back(make: MakeLimiter) -> None:
    limiter = make(per_minute=6)  # one a second
    assert await starts(limiter)
    waiting = asyncio.create_task(starts(limiter, deadline_s=60))
    await until(lambda: queued(limiter, 1))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await queued(limiter, 0)
    async with asyncio.timeout(PATIENCE_S):
        assert await starts(limiter, deadline_s=1.2), "the row still ends behind the slot that was given back"


async def queued(limiter: Limiter, number: int) -> bool:
    return (await limiter.use()).queued == number


async def test_tokens_and_requests_are_taken_together_or_not_at_all(make: MakeLimiter) -> None:
    limiter = make(per_minute=1_000, tokens_per_minute=100, window_s=1.0)
    assert await starts(limiter, tokens=80)
    assert not await starts(limiter, tokens=30)
    use = await limiter.use()
    assert (use.requests, use.tokens, use.queued) == (1, 80, 0)
    assert await starts(limiter, tokens=30, deadline_s=5)
    assert (await limiter.use()).tokens == 30, "80 and 30 counted in one window"


async def test_however_short_the_row_no_window_gets_more_than_the_tokens(make: MakeLimiter) -> None:
    former, limiter = make(tokens_per_minute=100_000), make(tokens_per_minute=100)
    assert await starts(former, tokens=60)
    assert await starts(limiter, tokens=40, deadline_s=1)
    assert not await starts(limiter, tokens=1, deadline_s=4)


async def test_many_tokens_keep_the_next_request_waiting_for_long(make: MakeLimiter) -> None:
    limiter = make(per_minute=1_000, tokens_per_minute=100)
    assert await starts(limiter, tokens=80)
    assert not await starts(limiter, tokens=1, deadline_s=4)


async def test_what_no_minute_has_tokens_for_is_a_mistake(make: MakeLimiter) -> None:
    with pytest.raises(ValueError, match="101 tokens"):
        async with make(tokens_per_minute=100).slot(deadline_s=1, tokens=101):
            pytest.fail("it was let in")


async def test_no_more_than_allowed_are_under_way_at_once(make: MakeLimiter) -> None:
    limiter, now, most = make(per_minute=6_000, in_flight_max=3), 0, 0

    async def go() -> None:
        nonlocal now, most
        async with limiter.slot(deadline_s=5):
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.05)
            now -= 1

    results = await asyncio.gather(*[go() for _ in range(10)], return_exceptions=True)
    assert sum(isinstance(result, NoSlot) for result in results) == 7, "who is refused has booked nothing"
    assert most == 3
    assert (await limiter.use()).in_flight == 0
    assert await starts(limiter, deadline_s=1)


async def test_the_place_of_a_dead_request_is_free_when_its_lease_ends(make: MakeLimiter) -> None:
    limiter = make(per_minute=6_000, in_flight_max=1, lease_s=0.3)
    await die_started(limiter)
    assert not await starts(limiter, deadline_s=5)
    await until(lambda: starts(limiter, deadline_s=5))


async def test_what_happens_twice_frees_nobody_elses_place(make: MakeLimiter) -> None:
    limiter = make(per_minute=6_000, in_flight_max=2)
    async with limiter.slot(deadline_s=1) as one:
        await die_started_when_due(limiter)
        await limiter.tell(one.request, "answered")
        await limiter.tell(one.request, "answered")
        assert (await limiter.use()).in_flight == 1


async def die_started_when_due(limiter: Limiter) -> None:
    async def started() -> bool:
        try:
            await die_started(limiter)
        except AssertionError:
            return False
        return True

    await until(started)


async def test_limiters_of_different_names_know_nothing_of_each_other(make: MakeLimiter) -> None:
    creations, reads = make("provider:create"), make("provider:read")
    assert await starts(creations)
    assert await starts(reads)


async def test_nothing_is_sent_while_redis_is_away() -> None:
    store = Store(parse_url("redis://127.0.0.1:1"), Keyspace.with_prefix("arqade"))
    with pytest.raises(Unavailable) as away:
        async with Limiter(store, "provider:create", Rule(per_minute=60)).slot(deadline_s=5):
            pytest.fail("it was let in")
    assert away.value.part == "redis"
    await store.close()


async def test_every_key_of_a_limiter_goes_when_it_is_used_no_more(make: MakeLimiter, store: Store) -> None:
    limiter = make(in_flight_max=10)
    await starts(limiter)
    await die_booked(limiter)
    async with limiter.slot(deadline_s=5) as slot:
        await slot.refuse(30)
    keys = await store.call("KEYS", "*limiter*")
    assert len(keys) == 4
    for key in keys:
        assert 0 < await store.call("PTTL", key) < 2 * 3_600_000


async def test_the_pace_follows_the_delay_of_answers(make: MakeLimiter) -> None:
    limiter = make(per_minute=6_000, arrives_within_s=0.5)
    for _ in range(30):
        assert await starts(limiter, deadline_s=5)
    quick = (await limiter.use()).delay_s
    async with limiter.slot(deadline_s=5):
        await asyncio.sleep(0.4)
    assert quick < (await limiter.use()).delay_s <= 0.5, "no longer than the rule says that it can take"


async def test_what_it_does_is_told(make: MakeLimiter) -> None:
    limiter = make()
    assert await limiter.use() == Use(0, 0, 0, 0, 0.0, 1.0, 0.5)
    async with limiter.slot(deadline_s=0):
        await die_booked(limiter)
        use = await limiter.use()
    assert (use.queued, use.requests) == (1, 1)


@pytest.mark.parametrize("name", ["", "two words", "näme", "a\nb"])
async def test_a_name_that_is_no_word_is_refused(make: MakeLimiter, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a limiter"):
        make(name)
