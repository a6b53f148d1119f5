"""What one look says of a server that answers, and could not do its work."""

from __future__ import annotations

import asyncio

import pytest

from libs.embedded.ports import free_port
from libs.errors import StoreFull
from libs.store.brief import put_briefly
from libs.store.client import Store
from libs.store.keyspace import Keyspace
from libs.store.processes import list_processes
from libs.store.turns import take_turn
from libs.store.url import parse_url
from libs.store.watch import StoreWatch
from tests.integration.libs.store.opening import NewStore, StartServer
from tests.integration.libs.store.redis_process import RedisProcess
from tests.patience import PATIENCE_S


async def used_bytes(store: Store) -> int:
    info = (await store.call("INFO", "memory")).decode()
    return int(info.partition("used_memory:")[2].split()[0])


async def test_a_store_that_works_is_up_and_told_what_the_process_says(redis: Store) -> None:
    watch = StoreWatch(redis, "process_1", lambda: {"version": "1"})
    look = await watch.look()
    assert (look.state, look.why, look.remedy, look.ails) == ("up", "", "", ())
    assert await redis.call("GET", redis.keys.process + "process_1") == b'{"version":"1"}'
    assert 0 < await redis.call("PTTL", redis.keys.process + "process_1") <= 60_000
    watch.require_room()
    (process,) = await list_processes(redis)
    assert (process.id, process.said) == ("process_1", {"version": "1"})
    assert 0 <= process.heard_s_ago < 10


@pytest.mark.parametrize("share, state", [(0.8, "up"), (0.95, "full")])
async def test_past_nine_tenths_of_its_ceiling_it_is_full_before_redis_refuses(
    own_server: RedisProcess, new_store: NewStore, share: float, state: str
) -> None:
    store = await new_store(own_server.url)
    await store.call("SETRANGE", "filler", 30_000_000, "x")  # beside which a client's buffers are nothing
    await store.call("CONFIG", "SET", "maxmemory", int(await used_bytes(store) / share))
    watch = StoreWatch(store, "process_1")
    assert (await watch.look()).state == state
    assert await store.call("SET", "key", "value") == b"OK"
    if state == "full":
        with pytest.raises(StoreFull):
            watch.require_room()


async def test_out_of_memory_is_full_with_what_to_do(own_server: RedisProcess, new_store: NewStore) -> None:
    store = await new_store(own_server.url)
    await store.call("CONFIG", "SET", "maxmemory", "100kb")
    look = await StoreWatch(store, "process_1").look()
    assert look.state == "full"
    assert "out of memory" in look.why
    assert "raise maxmemory" in look.remedy


async def test_who_has_looked_long_ago_refuses_nobody(own_server: RedisProcess, new_store: NewStore) -> None:
    store = await new_store(own_server.url)
    await store.call("CONFIG", "SET", "maxmemory", "100kb")
    now = 0.0
    watch = StoreWatch(store, "process_1", clock=lambda: now)
    await watch.look()
    now = 11.0
    watch.require_room()


async def test_missing_replicas_are_read_only(own_server: RedisProcess, new_store: NewStore) -> None:
    store = await new_store(own_server.url)
    await store.call("CONFIG", "SET", "min-replicas-to-write", 1)
    look = await StoreWatch(store, "process_1").look()
    assert look.state == "read_only"
    assert "replicas" in look.why


async def test_a_replica_is_read_only(start: StartServer, new_store: NewStore) -> None:
    primary, replica = start(), start()
    store = await new_store(replica.url)
    await store.call("REPLICAOF", "127.0.0.1", primary.port)
    assert (await StoreWatch(store, "process_1").look()).state == "read_only"


async def test_a_log_that_cannot_be_written_is_read_only(start: StartServer, new_store: NewStore) -> None:
    store = await new_store(start(enable_protected_configs="yes").url)
    await store.call("CONFIG", "SET", "save", "3600 1", "dir", "/proc")
    await store.call("SET", "key", "value")
    await store.call("BGSAVE")
    watch = StoreWatch(store, "process_1")
    async with asyncio.timeout(PATIENCE_S):
        while not (look := await watch.look()).ails:
            await asyncio.sleep(0.01)
    assert (look.state, look.ails[0][:24]) == ("read_only", "the last snapshot failed")


async def test_a_store_that_is_gone_is_away() -> None:
    store = Store(parse_url(f"redis://127.0.0.1:{free_port()}/0"), Keyspace.with_prefix("arqade"))
    look = await StoreWatch(store, "process_1").look()
    assert look.state == "away"
    assert "check REDIS_URL" in look.remedy
    await store.close()


async def test_turns_and_tokens_are_put_while_it_is_full(own_server: RedisProcess, new_store: NewStore) -> None:
    store = await new_store(own_server.url)
    await store.call("CONFIG", "SET", "maxmemory", "100kb")
    await put_briefly(store, "token", "a", 5_000)
    assert await store.call("GET", "token") == b"a"
    assert 0 < await store.call("PTTL", "token") <= 5_000
    assert await take_turn(store, "turn", "a", 5_000)
    assert not await take_turn(store, "turn", "b", 5_000)
