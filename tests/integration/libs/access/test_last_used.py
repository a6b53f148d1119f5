from __future__ import annotations

import asyncio

import pytest

from libs.access.api_key import DEFAULT_SCOPES, digest
from libs.access.api_keys import create_api_key, load_api_key
from libs.access.last_used import LastUsed
from libs.access.users import create_user
from libs.store.client import Store
from libs.store.keyspace import Keyspace
from libs.store.url import parse_url
from tests.patience import PATIENCE_S

PEPPER = b"pepper"


async def keys(store: Store, count: int) -> dict[str, str]:
    """Ids of new keys by their digests."""
    user = await create_user(store, "a@b.c", "free")
    made = [
        await create_api_key(store, PEPPER, user_id=user.id, name="ci", scopes=DEFAULT_SCOPES, lives_s=60)
        for _ in range(count)
    ]
    return {digest(secret, PEPPER): key.id for key, secret in made}


async def used(store: Store, key_id: str) -> int | None:
    return (await load_api_key(store, key_id)).last_used_at_ms


async def writes(store: Store) -> int:
    """Scripts that were run since the statistics were reset."""
    told = (await store.call("INFO", "commandstats")).decode()
    return sum(int(line.partition("calls=")[2].partition(",")[0]) for line in told.split() if "evalsha:" in line)


async def test_many_uses_are_one_write_and_only_what_was_used_is_written(store: Store) -> None:
    made = await keys(store, 3)
    first, second, _ = made
    last_used = LastUsed(store, every_s=0.05)
    last_used.note("1:the script is loaded by its first call")
    await last_used.write()
    await store.call("CONFIG", "RESETSTAT")
    for _ in range(100):
        last_used.note(first)
        last_used.note(second)
    async with asyncio.timeout(PATIENCE_S):
        while await used(store, made[first]) is None:
            await asyncio.sleep(0.01)
    assert await writes(store) == 1
    assert [await used(store, key_id) is not None for key_id in made.values()] == [True, True, False]


async def test_nothing_is_written_while_nothing_is_used(store: Store) -> None:
    last_used = LastUsed(store, every_s=0.01)
    last_used.note("1:unknown")
    await asyncio.sleep(0.05)
    await store.call("CONFIG", "RESETSTAT")
    await asyncio.sleep(0.05)
    assert await writes(store) == 0


async def test_a_key_whose_record_is_gone_is_not_brought_back(store: Store) -> None:
    last_used = LastUsed(store)
    last_used.note("1:gone")
    await last_used.write()
    assert await store.call("EXISTS", store.keys.api_key + "1:gone") == 0


async def test_what_is_noted_is_bounded_and_written_in_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.access.last_used._AT_ONCE", 2)
    made = await keys(store, 7)
    last_used = LastUsed(store, noted_max=5)
    for hashed in made:
        last_used.note(hashed)
    await last_used.write()
    assert [await used(store, key_id) is not None for key_id in made.values()] == [True] * 5 + [False] * 2


async def test_while_redis_is_away_it_is_kept_and_never_grows(store: Store) -> None:
    away = Store(parse_url("redis://127.0.0.1:1/0"), Keyspace.with_prefix("arqade"), timeout_s=0.1)
    last_used = LastUsed(away, noted_max=3)
    for n in range(10):
        last_used.note(f"1:{n}")
        await last_used.write()
    assert len(last_used._noted) == 3
    await away.close()
