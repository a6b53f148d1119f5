"""The states of a breaker, and what moves it from one to the next."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from libs.backends.breaker import Breaker
from libs.errors import Failure, Unavailable
from libs.store.client import Store
from libs.store.keyspace import Keyspace
from libs.store.url import parse_url
from tests.integration.libs.backends.breaker.conftest import MakeBreaker, call, fail, until_half_open
from tests.patience import PATIENCE_S
from tests.servers import RedisServer, open_store


async def state(breaker: Breaker) -> str:
    return (await breaker.look()).state


async def test_it_opens_on_the_fifth_failure_in_a_row(make: MakeBreaker) -> None:
    breaker = await make()
    await fail(breaker, 4)
    assert await call(breaker) == "made"
    await fail(breaker, 4)
    assert await state(breaker) == "closed"
    await fail(breaker, 1)
    assert await state(breaker) == "open"


async def test_failures_in_a_row_are_counted_over_all_processes(make: MakeBreaker) -> None:
    for _ in range(5):
        await fail(await make(), 1)
    assert await state(await make()) == "open"


async def test_it_opens_when_half_of_twenty_calls_failed(make: MakeBreaker) -> None:
    breaker = await make()
    for turn in range(19):
        await call(breaker, Unavailable("provider") if turn % 2 else None)
    assert await state(breaker) == "closed", "19 calls say nothing yet"
    await fail(breaker, 1)
    assert await state(breaker) == "open"


async def test_less_than_half_of_many_calls_leave_it_closed(make: MakeBreaker) -> None:
    breaker = await make()
    for turn in range(60):
        await call(breaker, None if turn % 5 < 3 else Unavailable("provider"))
    assert await state(breaker) == "closed"


async def test_failures_of_a_window_that_has_passed_are_forgotten(make: MakeBreaker) -> None:
    breaker = await make(window_s=0.3, failures_in_a_row=1_000)
    await fail(breaker, 19)
    await asyncio.sleep(0.5)
    await fail(breaker, 19)
    assert await state(breaker) == "closed"
    await fail(breaker, 1)
    assert await state(breaker) == "open"


@pytest.mark.parametrize(
    "error",
    [Failure("invalid_graph", "…"), Unavailable("redis"), Unavailable("provider:create"), KeyError("a bug")],
    ids=["a 4xx", "redis", "no slot", "a bug"],
)
async def test_what_is_not_the_backends_failure_does_not_open_it(make: MakeBreaker, error: Exception) -> None:
    breaker = await make(failures_in_a_row=1)
    with pytest.raises(type(error)):
        async with breaker.guard():
            raise error
    assert await state(breaker) == "closed"


async def test_an_answer_that_refuses_is_a_success_whatever_is_raised_for_it(make: MakeBreaker) -> None:
    breaker = await make()
    await fail(breaker, 4)
    with suppress(Unavailable):
        async with breaker.guard() as one:
            one.answered()
            raise Unavailable("provider", "answered with status 429")
    await fail(breaker, 4)
    assert await state(breaker) == "closed"


async def test_a_timeout_is_a_failure(make: MakeBreaker) -> None:
    breaker = await make(failures_in_a_row=1)
    await call(breaker, TimeoutError())
    assert await state(breaker) == "open"


async def test_while_open_it_says_when_to_come_back_and_nobody_is_let_through(make: MakeBreaker) -> None:
    breaker, other = await make(), await make()
    await fail(breaker, 5)
    for one in (breaker, other):
        with pytest.raises(Unavailable) as away:
            async with one.guard():
                pytest.fail("it was let through")
        assert away.value.part == "provider"
        assert 3 < away.value.retry_in_s <= 6


async def test_while_open_a_process_asks_redis_no_more_than_once_a_second(make: MakeBreaker, store: Store) -> None:
    breaker = await make()
    await fail(breaker, 5)
    await store.call("CONFIG", "RESETSTAT")
    for _ in range(200):
        assert await call(breaker) == "refused"
    commands = (await store.call("INFO", "commandstats")).decode()
    asked = [line for line in commands.splitlines() if line.startswith("cmdstat_evalsha")]
    assert not asked or int(asked[0].partition("calls=")[2].partition(",")[0]) <= 2


async def test_three_probes_that_succeed_close_it(make: MakeBreaker) -> None:
    breaker = await make(open_s=0.05)
    await fail(breaker, 5)
    await until_half_open(breaker)
    for expected in ("half_open", "half_open", "closed"):
        assert await call(breaker) == "made"
        assert await state(breaker) == expected


async def test_each_failed_probe_doubles_the_pause_up_to_a_ceiling(make: MakeBreaker) -> None:
    breaker = await make(open_s=0.1, open_s_max=0.3)
    await fail(breaker, 5)
    for pause_s in (0.1, 0.2, 0.3, 0.3):
        heard = breaker._shadow
        assert heard is not None
        assert 0.8 * pause_s - 0.002 < heard.retry_at - heard.heard_at <= 1.2 * pause_s
        await until_half_open(breaker)
        await call(breaker)
        await fail(breaker, 1)


async def test_what_comes_back_late_from_before_moves_nothing(make: MakeBreaker) -> None:
    late, breaker = await make(), await make(open_s=0.05)
    with suppress(Unavailable):
        async with late.guard():
            await fail(breaker, 5)
            await until_half_open(breaker)
            raise Unavailable("provider")
    assert await state(breaker) == "half_open"
    for _ in range(3):
        assert await call(breaker) == "made"
    assert await state(breaker) == "closed"


async def test_one_probe_at_a_time(make: MakeBreaker) -> None:
    breaker, other = await make(open_s=0.05), await make()
    await fail(breaker, 5)
    await until_half_open(breaker)
    async with breaker.guard():
        with pytest.raises(Unavailable) as away:
            async with other.guard():
                pytest.fail("a second probe")
        assert 0 < away.value.retry_in_s <= 1


async def test_a_probe_whose_process_died_is_soon_followed_by_another(
    make: MakeBreaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{Breaker.__module__}._PROBE_KEPT_S", 0.3)
    breaker, other = await make(open_s=0.05, probe_s=60), await make(probe_s=60)
    await fail(breaker, 5)
    await until_half_open(breaker)
    assert await breaker._enter("call_of_the_dead")
    assert await call(other) == "refused"
    async with asyncio.timeout(PATIENCE_S):
        while await call(other) == "refused":
            await asyncio.sleep(0.02)


async def test_a_slow_probe_is_waited_for_while_its_process_lives(
    make: MakeBreaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{Breaker.__module__}._PROBE_KEPT_S", 1.0)
    breaker, other = await make(open_s=0.05, probe_s=60), await make(probe_s=60)
    await fail(breaker, 5)
    await until_half_open(breaker)
    async with breaker.guard():
        until = asyncio.get_running_loop().time() + 2.5
        while asyncio.get_running_loop().time() < until:
            assert await call(other) == "refused"
            await asyncio.sleep(0.05)


async def test_a_probe_that_never_comes_back_is_given_up(make: MakeBreaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{Breaker.__module__}._PROBE_KEPT_S", 0.1)
    breaker, other = await make(open_s=0.05, probe_s=0.4), await make()
    await fail(breaker, 5)
    await until_half_open(breaker)
    async with breaker.guard(), asyncio.timeout(PATIENCE_S):
        while await call(other) == "refused":
            await asyncio.sleep(0.02)


async def test_a_probe_that_is_canceled_makes_way_for_another(make: MakeBreaker) -> None:
    breaker, other = await make(open_s=0.05), await make()
    await fail(breaker, 5)
    await until_half_open(breaker)
    entered = asyncio.Event()

    async def hang() -> None:
        async with breaker.guard():
            entered.set()
            await asyncio.sleep(60)

    probing = asyncio.create_task(hang())
    await entered.wait()
    probing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probing
    assert await call(other) == "made"


async def test_another_process_hears_of_it_within_a_second(make: MakeBreaker) -> None:
    breaker, other = await make(), await make()
    assert await call(other) == "made"
    await fail(breaker, 5)
    async with asyncio.timeout(PATIENCE_S):
        while await call(other) == "made":
            await asyncio.sleep(0.02)


async def test_calls_go_through_while_redis_is_away() -> None:
    store = Store(parse_url("redis://127.0.0.1:1"), Keyspace.with_prefix("arqade"))
    assert await call(Breaker(store, "provider")) == "made"
    await store.close()


async def test_an_open_phase_lasts_on_while_redis_is_away(valkey: RedisServer) -> None:
    store = await open_store(valkey.url)
    breaker = Breaker(store, "provider")
    await fail(breaker, 5)
    await store.close()
    await asyncio.sleep(1.1)  # longer than it is believed
    assert await call(breaker) == "refused"


async def test_a_breaker_goes_when_it_is_used_no_more(make: MakeBreaker, store: Store) -> None:
    breaker = await make(open_s=0.05)
    for failures in (4, 1):
        await fail(breaker, failures)
        assert 0 < await store.call("PTTL", store.keys.breaker + "provider") <= 3_600_000
    await until_half_open(breaker)
    async with breaker.guard():
        assert 0 < await store.call("PTTL", store.keys.breaker + "provider") <= 3_600_000
