from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest

from libs.embedded.ports import free_port
from libs.errors import Unavailable
from libs.store.client import Store
from libs.store.keyspace import Keyspace
from libs.store.url import parse_url
from tests.integration.libs.store.opening import NewStore
from tests.integration.libs.store.patience import succeeds, until
from tests.integration.libs.store.redis_process import RedisProcess
from tests.run.promises import Prompt


async def test_when_the_server_is_killed_every_waiter_fails_and_the_next_server_is_found(
    own_server: RedisProcess, new_store: NewStore
) -> None:
    store = await new_store(own_server.url)
    own_server.pause()  # so that all of them are under way
    waiting = asyncio.gather(*[store.call("INCR", "count") for _ in range(500)], return_exceptions=True)
    await asyncio.sleep(0.05)
    own_server.kill()
    assert {type(reply) for reply in await waiting} == {Unavailable}
    assert store.outages == 1

    with pytest.raises(Unavailable):
        await store.call("PING")
    own_server.start()
    await until(lambda: succeeds(store, "PING"))
    assert store.outages == 1


async def test_a_refused_connection_fails_fast_each_time(
    own_server: RedisProcess, new_store: NewStore, prompt: Prompt
) -> None:
    store = await new_store(own_server.url)
    own_server.kill()
    with prompt(2):
        replies = await asyncio.gather(*[store.call("PING") for _ in range(200)], return_exceptions=True)
        for _ in range(20):
            with pytest.raises(Unavailable):
                await store.call("PING")
        assert {type(reply) for reply in replies} == {Unavailable}


async def test_a_hanging_server_fails_calls_within_a_second_and_later_ones_at_once(
    own_server: RedisProcess, new_store: NewStore, prompt: Prompt
) -> None:
    store = await new_store(own_server.url, timeout_s=0.8)
    own_server.pause()
    began = time.monotonic()
    with prompt(2), pytest.raises(Unavailable, match=r"did not answer within 0\.8 s"):
        await store.call("PING")  # 0.9 on a machine that is not busy
    assert time.monotonic() - began > 0.75
    assert store.outages == 1

    with prompt(0.7):  # less than one time limit
        for _ in range(5):  # the first waits a moment for the attempt to connect
            with pytest.raises(Unavailable):
                await store.call("PING")

    own_server.resume()
    await until(lambda: succeeds(store, "PING"))
    assert store.outages == 1


async def test_a_connection_that_the_server_closed_is_replaced_without_a_failed_call(redis: Store) -> None:
    await redis.call("SET", "key", "value")
    with suppress(Unavailable):
        await redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")

    async def noticed() -> bool:
        return redis.outages > 0

    await until(noticed)
    assert await redis.call("GET", "key") == b"value"
    assert redis.outages == 1


async def test_a_stall_of_our_own_loop_is_not_held_against_redis(own_server: RedisProcess, new_store: NewStore) -> None:
    store = await new_store(own_server.url, timeout_s=0.2)
    call = asyncio.ensure_future(store.call("PING"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # it has left, and the watch runs
    time.sleep(0.5)  # noqa: ASYNC251  # the stall
    assert await call == b"PONG"
    assert store.outages == 0


async def test_a_slow_command_is_no_outage_when_it_ends_in_time(redis: Store) -> None:
    assert await redis.call("DEBUG", "SLEEP", 0.5) == b"OK"
    assert await redis.call("PING") == b"PONG"
    assert redis.outages == 0


async def test_closing_lets_calls_under_way_end_and_fails_later_ones(
    own_server: RedisProcess, new_store: NewStore
) -> None:
    store = await new_store(own_server.url)
    calls = [store.call("ECHO", number) for number in range(100)]
    await store.close()
    assert await asyncio.gather(*calls) == [str(number).encode() for number in range(100)]
    with pytest.raises(Unavailable, match="closed"):
        await store.call("PING")
    assert store.outages == 0


async def test_closing_while_the_server_hangs_takes_no_longer_than_a_timeout(
    own_server: RedisProcess, new_store: NewStore, prompt: Prompt
) -> None:
    store = await new_store(own_server.url, timeout_s=0.2)
    own_server.pause()
    with prompt(2):
        await store.close()


async def test_opening_a_store_while_redis_is_away_says_where_it_was_looked_for() -> None:
    port = free_port()
    with pytest.raises(Unavailable, match=f"cannot connect to redis at 127.0.0.1:{port}"):
        await Store.open(f"redis://:hush@127.0.0.1:{port}", Keyspace.with_prefix(""))


async def test_a_store_may_be_made_before_its_server_runs(own_server: RedisProcess) -> None:
    own_server.kill()
    store = Store(parse_url(own_server.url), Keyspace.with_prefix(""))
    with pytest.raises(Unavailable):
        await store.call("PING")
    own_server.start()
    await until(lambda: succeeds(store, "PING"))
    assert store.outages == 0
    await store.close()
