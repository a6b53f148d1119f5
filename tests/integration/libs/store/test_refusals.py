"""What Redis replies when it cannot serve for now."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from libs.embedded.ports import free_port
from libs.errors import Unavailable
from libs.store.client import Store
from libs.store.keyspace import Keyspace
from libs.store.script import Script
from tests.integration.libs.store.opening import NewStore, StartServer
from tests.integration.libs.store.redis_process import RedisProcess

ENDING = Script("ending", "return redis.call('SET', 'ended', 'yes')", allow_oom=True)
BEGINNING = Script("beginning", "return redis.call('SET', 'begun', 'yes')")


async def test_out_of_memory_is_away_for_now_but_what_frees_still_runs(redis: Store) -> None:
    assert await redis.run(ENDING) == b"OK"  # known before memory ran out
    await redis.call("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(Unavailable, match="out of memory"):
            await redis.call("SET", "key", "value")
        with pytest.raises(Unavailable, match="out of memory"):
            await redis.run(BEGINNING)
        assert await redis.run(ENDING) == b"OK"
        await redis.call("SCRIPT", "FLUSH")
        assert await redis.run(ENDING) == b"OK"  # and it can be loaded again
    finally:
        await redis.call("CONFIG", "SET", "maxmemory", "0")
    assert await redis.run(BEGINNING) == b"OK"
    assert redis.outages == 0


async def test_a_read_only_replica_is_left_for_the_primary(own_server: RedisProcess, new_store: NewStore) -> None:
    store = await new_store(own_server.url)
    await store.call("REPLICAOF", "127.0.0.1", free_port())
    with pytest.raises(Unavailable, match="read-only replica"):
        await store.call("SET", "key", "value")
    assert store.outages == 1
    await store.call("REPLICAOF", "NO", "ONE")
    assert await store.call("SET", "key", "value") == b"OK"


async def test_a_script_on_a_read_only_replica_is_away_too(own_server: RedisProcess, new_store: NewStore) -> None:
    store = await new_store(own_server.url)
    assert await store.run(BEGINNING) == b"OK"
    await store.call("REPLICAOF", "127.0.0.1", free_port())
    with pytest.raises(Unavailable, match="read-only replica"):
        await store.run(BEGINNING)


async def test_a_script_that_does_not_end_makes_redis_away_for_others(
    own_server: RedisProcess, new_store: NewStore
) -> None:
    store, killer = await new_store(own_server.url, timeout_s=5), await new_store(own_server.url)
    await store.call("CONFIG", "SET", "busy-reply-threshold", "50")
    endless = asyncio.ensure_future(store.run(Script("endless", "while true do end")))
    await asyncio.sleep(0.2)  # longer than the threshold
    with pytest.raises(Unavailable, match="busy"):
        await killer.call("GET", "key")
    assert await killer.call("SCRIPT", "KILL") == b"OK"
    with suppress(Exception):
        await endless
    assert await killer.call("GET", "key") is None


@pytest.mark.parametrize(
    "login, why",
    [("", "wants a password"), (":wrong@", "WRONGPASS"), ("nobody:secret@", "WRONGPASS")],
)
async def test_a_wrong_password_is_said_and_not_repeated(start: StartServer, login: str, why: str) -> None:
    server = start(requirepass="secret")
    with pytest.raises(Unavailable, match=why) as raised:
        await Store.open(f"redis://{login}127.0.0.1:{server.port}", Keyspace.with_prefix(""))
    assert "wrong" not in str(raised.value)
    assert "secret" not in str(raised.value)
    assert "WRONGPASS" in str(raised.value) or not login


async def test_too_many_clients_are_turned_away_with_the_reason(own_server: RedisProcess, new_store: NewStore) -> None:
    store = await new_store(own_server.url)
    await store.call("CONFIG", "SET", "maxclients", 1)
    with pytest.raises(Unavailable, match="max number of clients"):
        await new_store(own_server.url)
