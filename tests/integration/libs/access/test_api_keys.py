from __future__ import annotations

import asyncio

import pytest

from libs import limits
from libs.access.api_key import DEFAULT_SCOPES, ApiKey, digest, mint, well_formed
from libs.access.api_keys import bootstrap, create_api_key, list_api_keys, load_api_key, revoke_api_key
from libs.access.users import create_user, list_users
from libs.errors import Refusal
from libs.store.client import Store

PEPPER = b"pepper"


async def new_key(store: Store, user_id: str | None = None, **changes: object) -> tuple[ApiKey, str]:
    if user_id is None:
        user_id = (await create_user(store, f"{mint()}@example.com", "free")).id
    wanted = {"name": "ci", "scopes": DEFAULT_SCOPES, "lives_s": 3_600} | changes
    return await create_api_key(store, PEPPER, user_id=user_id, **wanted)  # type: ignore[arg-type]


async def test_a_new_key_is_stored_under_its_digest_and_its_secret_nowhere(store: Store) -> None:
    api_key, secret = await new_key(store)
    assert well_formed(secret)
    assert await load_api_key(store, api_key.id) == api_key
    assert api_key.expires_at_ms - api_key.created_at_ms == 3_600_000
    for key in await store.call("KEYS", "*"):
        assert secret.encode() not in key
        kind = await store.call("TYPE", key)
        read = {
            b"hash": ("HGETALL", key),
            b"string": ("GET", key),
            b"zset": ("ZRANGE", key, 0, -1),
            b"stream": ("XRANGE", key, "-", "+"),
        }[kind]
        assert secret not in str(await store.call(*read))


async def test_an_admins_key_says_so_by_its_prefix(store: Store) -> None:
    _, secret = await new_key(store, scopes=frozenset({"admin"}))
    assert secret.startswith("aq_adm_")


async def test_nobody_gives_a_scope_that_they_lack(store: Store) -> None:
    minter = frozenset({"jobs:read"})
    with pytest.raises(Refusal, match="lack the scope jobs:write"):
        await new_key(store, scopes=frozenset({"jobs:read", "jobs:write"}), minter=minter)
    api_key, _ = await new_key(store, scopes=minter, minter=minter)
    assert api_key.scopes == minter


async def test_an_unknown_scope_is_refused(store: Store) -> None:
    with pytest.raises(Refusal, match="no scope jobs:raed"):
        await new_key(store, scopes=frozenset({"jobs:raed"}))


@pytest.mark.parametrize("user_id", ["usr_00000000000000000000000000", "someone"])
async def test_a_key_needs_a_user(store: Store, user_id: str) -> None:
    with pytest.raises(Refusal, match="not_found"):
        await new_key(store, user_id)


async def test_a_user_has_a_bounded_number_of_keys(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "API_KEYS_MAX", 2)
    api_key, _ = await new_key(store)
    await new_key(store, api_key.user_id)
    with pytest.raises(Refusal, match="conflict"):
        await new_key(store, api_key.user_id)


async def test_revoking_tells_when_and_again_changes_nothing(store: Store) -> None:
    api_key, _ = await new_key(store)
    revoked = await revoke_api_key(store, api_key.id)
    assert revoked.revoked_at_ms is not None
    assert revoked.revoked_at_ms >= api_key.created_at_ms
    assert await revoke_api_key(store, api_key.id) == revoked


@pytest.mark.parametrize("key_id", ["apikey_00000000000000000000000000", "nonsense", "apikey_*"])
async def test_no_key_is_found_under_any_other_id(store: Store, key_id: str) -> None:
    for ask in (load_api_key(store, key_id), revoke_api_key(store, key_id)):
        with pytest.raises(Refusal, match="not_found"):
            await ask


async def test_keys_are_listed_for_a_user_and_for_all(store: Store) -> None:
    mine, _ = await new_key(store)
    also_mine, _ = await new_key(store, mine.user_id)
    other, _ = await new_key(store)
    assert {one.id for one in await list_api_keys(store, user_id=mine.user_id, limit=9)} == {mine.id, also_mine.id}
    assert {one.id for one in await list_api_keys(store, limit=9)} == {mine.id, also_mine.id, other.id}


async def test_pages_of_keys_step_over_those_that_have_lapsed(store: Store) -> None:
    first, _ = await new_key(store)
    keys = [first, *[(await new_key(store, first.user_id))[0] for _ in range(5)]]
    for lapsed in keys[1:4]:
        hashed = await store.call("GET", store.keys.api_key_id + lapsed.id)
        await store.call("DEL", store.keys.api_key_id + lapsed.id, store.keys.api_key + hashed.decode())
    page = await list_api_keys(store, user_id=first.user_id, limit=2)
    rest = await list_api_keys(store, user_id=first.user_id, limit=2, after=page[-1].id)
    assert {one.id for one in page + rest} == {keys[0].id, keys[4].id, keys[5].id}
    assert await store.call("ZCARD", store.keys.user_api_keys + first.user_id) == 3


async def test_records_outlive_the_key_by_a_month_and_then_go(store: Store) -> None:
    api_key, secret = await new_key(store, lives_s=60)
    for key in (store.keys.api_key + digest(secret, PEPPER), store.keys.api_key_id + api_key.id):
        assert 30 * 86_400 < await store.call("TTL", key) <= 30 * 86_400 + 60


async def test_the_first_admin_is_made_once_however_many_try(store: Store) -> None:
    secrets = [mint(admin=True) for _ in range(10)]
    tried = await asyncio.gather(*[bootstrap(store, PEPPER, secret=one) for one in secrets], return_exceptions=True)
    assert [one for one in tried if not isinstance(one, BaseException)] == [True]
    assert len(await list_users(store, limit=10)) == 1
    assert [one.scopes for one in await list_api_keys(store, limit=10)] == [{"admin"}]


async def test_whoever_wrote_the_secret_down_may_try_again(store: Store) -> None:
    secret = mint(admin=True)
    assert await bootstrap(store, PEPPER, secret=secret)
    assert not await bootstrap(store, PEPPER, secret=secret)
    assert len(await list_api_keys(store, limit=10)) == 1


async def test_a_deployment_that_has_users_makes_no_first_admin(store: Store) -> None:
    await create_user(store, "a@b.c", "free")
    with pytest.raises(Refusal, match="conflict"):
        await bootstrap(store, PEPPER, secret=mint(admin=True))
    assert await list_api_keys(store, limit=10) == []
