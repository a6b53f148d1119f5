from __future__ import annotations

import asyncio

import pytest

from libs.access.users import create_user, list_users, load_user, load_user_by_email, update_user
from libs.errors import Refusal
from libs.store.client import Store


async def test_a_user_is_found_again_by_id_and_by_address_in_any_case(store: Store) -> None:
    user = await create_user(store, "Someone@Example.com", "pro", {"slots": 5, "units_per_day": None})
    assert await load_user(store, user.id) == user
    assert await load_user_by_email(store, "someone@EXAMPLE.com") == user
    assert (user.email, user.status) == ("Someone@Example.com", "active")


async def test_an_address_has_one_user_however_many_ask_at_once(store: Store) -> None:
    asked = [create_user(store, address, "free") for address in ("a@b.c", "A@b.c", "a@B.c", " a@b.c ") * 5]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert len([one for one in outcomes if not isinstance(one, BaseException)]) == 1
    assert {one.code for one in outcomes if isinstance(one, Refusal)} == {"conflict"}
    assert len(await list_users(store, limit=100)) == 1


async def test_an_unknown_plan_is_refused_and_nobody_made(store: Store) -> None:
    with pytest.raises(Refusal, match="validation_failed"):
        await create_user(store, "a@b.c", "enterprise")
    assert await list_users(store, limit=10) == []


async def test_a_plan_that_an_admin_made_is_known(store: Store) -> None:
    await store.call("HSET", store.keys.plans, "enterprise", "{}")
    assert (await create_user(store, "a@b.c", "enterprise")).plan == "enterprise"


@pytest.mark.parametrize("user_id", ["usr_00000000000000000000000000", "usr_", "nonsense", "usr_*", ""])
async def test_nobody_is_found_under_any_other_id(store: Store, user_id: str) -> None:
    for load in (load_user(store, user_id), update_user(store, user_id, plan="pro")):
        with pytest.raises(Refusal, match="not_found"):
            await load


async def test_an_update_changes_what_is_given_and_nothing_else(store: Store) -> None:
    user = await create_user(store, "a@b.c", "free", {"slots": 2})
    changed = await update_user(store, user.id, plan="pro")
    assert (changed.plan, changed.overrides, changed.status) == ("pro", {"slots": 2}, "active")
    changed = await update_user(store, user.id, overrides={}, status="suspended")
    assert (changed.plan, changed.overrides, changed.status) == ("pro", {}, "suspended")
    assert await load_user(store, user.id) == changed


async def test_an_unknown_plan_changes_nothing(store: Store) -> None:
    user = await create_user(store, "a@b.c", "free")
    with pytest.raises(Refusal, match="validation_failed"):
        await update_user(store, user.id, plan="enterprise", status="suspended")
    assert await load_user(store, user.id) == user


async def test_pages_of_users_miss_nobody_and_show_nobody_twice(store: Store) -> None:
    made = [(await create_user(store, f"{n}@b.c", "free")).id for n in range(7)]
    seen: list[str] = []
    while found := await list_users(store, limit=3, after=seen[-1] if seen else ""):
        assert len(found) <= 3
        seen += [user.id for user in found]
    assert sorted(seen) == sorted(made)
