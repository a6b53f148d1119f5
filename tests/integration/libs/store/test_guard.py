from __future__ import annotations

import pytest

from libs.embedded.ports import free_port
from libs.store.client import Store
from libs.store.guard import inspect
from tests.integration.libs.store.opening import NewStore, StartServer


async def test_a_redis_that_keeps_what_it_is_given_has_nothing_to_mend(start: StartServer, new_store: NewStore) -> None:
    store = await new_store(start(appendonly="yes").url)
    assert await inspect(store) == []


async def test_a_redis_without_a_log_is_warned_of(redis: Store) -> None:
    [finding] = await inspect(redis)
    assert finding.level == "warn"
    assert "appendonly yes" in finding.line


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_redis_that_evicts_is_refused(start: StartServer, new_store: NewStore, policy: str) -> None:
    store = await new_store(start(appendonly="yes", maxmemory_policy=policy).url)
    [finding] = await inspect(store)
    assert finding.level == "refuse"
    assert "noeviction" in finding.line


async def test_a_replica_is_refused(start: StartServer, new_store: NewStore) -> None:
    server = start(appendonly="yes", replicaof=f"127.0.0.1 {free_port()}")
    [finding] = await inspect(await new_store(server.url))
    assert finding.level == "refuse"


@pytest.mark.parametrize("denied, count", [(["-config"], 0), (["-config", "-info"], 1)])
async def test_a_managed_redis_that_hides_things_is_no_crash(
    start: StartServer, new_store: NewStore, denied: list[str], count: int
) -> None:
    server = start(appendonly="yes")
    store = await new_store(server.url)
    await store.call("ACL", "SETUSER", "tenant", "on", ">x", "~*", "+@all", *denied)
    tenant = await new_store(f"redis://tenant:x@127.0.0.1:{server.port}")
    found = await inspect(tenant)
    assert [finding.level for finding in found] == ["warn"] * count


async def test_a_log_that_is_not_forced_to_disk_is_warned_of(start: StartServer, new_store: NewStore) -> None:
    [finding] = await inspect(await new_store(start(appendonly="yes", appendfsync="no").url))
    assert "appendfsync everysec" in finding.line
