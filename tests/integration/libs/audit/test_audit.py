"""The audit log as scripts write it, and what shows when somebody changes it afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from libs.access.api_key import DEFAULT_SCOPES
from libs.access.api_keys import create_api_key, revoke_api_key, rotate_api_key
from libs.access.plan import DEFAULT_PLANS
from libs.access.plans import Plans, put_plan
from libs.access.users import begin_erasure, create_user, update_user
from libs.audit.act import Act, Actor
from libs.audit.chain import BrokenChainError, Chain, Link, verify
from libs.audit.log import WantedActs, list_acts, read_acts
from libs.errors import Refusal
from libs.store.client import Store

PEPPER = b"pepper"
ADA = Actor("usr_ada", "apikey_ada", "req_1")


async def acts(store: Store) -> list[Act]:
    return list(await read_acts(store, limit=100))


async def some_acts(store: Store, count: int = 5) -> None:
    for n in range(count):
        await create_user(store, f"{n}@example.com", "free", by=ADA)


async def verified(store: Store, noted: Link | None = None) -> Chain:
    chain = await verify(store, noted)
    assert chain is not None
    return chain


async def rewrite(store: Store, change: dict[int, dict[str, str] | None]) -> None:
    """What an intruder would do: write the stream anew, some entries changed or left out."""
    entries: list[Any] = await store.call("XRANGE", store.keys.audit, "-", "+")
    await store.call("DEL", store.keys.audit)
    for entry_id, words in entries:
        entry = dict(zip([word.decode() for word in words[::2]], [word.decode() for word in words[1::2]], strict=True))
        changed = change.get(int(entry["n"]), {})
        if changed is not None:
            flat = [word for member in (entry | changed).items() for word in member]
            await store.call("XADD", store.keys.audit, entry_id, *flat)


async def test_every_act_on_a_user_and_a_key_is_written_with_who_and_what(store: Store) -> None:
    user = await create_user(store, "ada@example.com", "free", {"slots": 2}, by=ADA)
    await update_user(store, user.id, plan="pro", status="suspended", by=ADA)
    key, secret = await create_api_key(
        store, PEPPER, user_id=user.id, name="ci", scopes=DEFAULT_SCOPES, lives_s=60, by=ADA
    )
    await rotate_api_key(store, PEPPER, key.id, lives_s=60, overlap_s=30, by=ADA)
    await revoke_api_key(store, key.id, ADA)
    await put_plan(store, Plans(), "pro", DEFAULT_PLANS["free"], ADA)
    await begin_erasure(store, user.id, ADA)
    written = await acts(store)
    assert [(one.act, one.on) for one in written] == [
        ("create_user", user.id),
        ("change_user", user.id),
        ("create_api_key", key.id),
        ("rotate_api_key", key.id),
        ("revoke_api_key", key.id),
        ("change_plan", "pro"),
        ("erase_user", user.id),
    ]
    assert {one.actor for one in written} == {ADA}
    assert [one.number for one in written] == list(range(1, 8))
    changed = written[1]
    assert changed.before == {"role": "free", "overrides": {"slots": 2}, "status": "active"}
    assert changed.after == {"role": "pro", "overrides": {"slots": 2}, "status": "suspended"}
    assert written[5].before is not None
    assert written[5].before["slots"] == 3
    text = str(await store.call("XRANGE", store.keys.audit, "-", "+"))
    for hidden in (secret, secret[-4:], "ada@example.com"):
        assert hidden not in text
    await verified(store)


async def test_what_is_refused_or_changes_nothing_leaves_no_entry(store: Store) -> None:
    user = await create_user(store, "ada@example.com", "free", by=ADA)
    key, _ = await create_api_key(store, PEPPER, user_id=user.id, name="ci", scopes=DEFAULT_SCOPES, lives_s=60, by=ADA)
    await revoke_api_key(store, key.id, ADA)
    before = await acts(store)
    await revoke_api_key(store, key.id, ADA)
    for refused in (
        create_user(store, "ADA@example.com", "free", by=ADA),
        update_user(store, user.id, plan="enterprise", by=ADA),
        rotate_api_key(store, PEPPER, key.id, lives_s=60, by=ADA),
        begin_erasure(store, "usr_00000000000000000000000000", ADA),
    ):
        with pytest.raises(Refusal):
            await refused
    assert await acts(store) == before


async def test_the_chain_of_an_untouched_log_holds_from_its_first_entry_to_its_last(store: Store) -> None:
    assert await verify(store) is None
    await some_acts(store, 7)
    chain = await verified(store)
    assert (chain.first.number, chain.last.number) == (1, 7)
    assert await verified(store, chain.last) == chain


@pytest.mark.parametrize("member", ["at", "actor", "api_key", "request", "act", "on", "before", "after", "hash"])
async def test_no_member_can_be_changed_unseen(store: Store, member: str) -> None:
    await some_acts(store)
    await rewrite(store, {3: {member: "7"}})
    with pytest.raises(BrokenChainError, match="entry 3 was changed"):
        await verify(store)


@pytest.mark.parametrize("gone", [2, 3, 4])
async def test_no_entry_can_be_taken_out_unseen(store: Store, gone: int) -> None:
    await some_acts(store)
    await rewrite(store, {gone: None})
    with pytest.raises(BrokenChainError, match=f"entry {gone} is missing"):
        await verify(store)


async def test_a_new_chain_does_not_pass_for_the_one_that_was_noted(store: Store) -> None:
    await some_acts(store, 5)
    noted = (await verified(store)).last
    await store.call("DEL", store.keys.audit, store.keys.users)
    for n in range(6):
        await create_user(store, f"forged{n}@example.com", "free", by=ADA)
    await verified(store)
    with pytest.raises(BrokenChainError, match="entry 5 is not the one"):
        await verify(store, noted)


async def test_a_log_that_was_cut_off_shows_to_who_noted_its_end(store: Store) -> None:
    await some_acts(store, 5)
    noted = (await verified(store)).last
    await rewrite(store, {5: None})
    assert (await verified(store)).last.number == 4
    with pytest.raises(BrokenChainError, match="entry 5 is gone"):
        await verify(store, noted)


async def test_pages_are_newest_first_and_can_be_narrowed(store: Store) -> None:
    await some_acts(store, 5)
    user_id = (await acts(store))[2].on
    await update_user(store, user_id, plan="pro", by=Actor("usr_bob"))
    first = await list_acts(store, WantedActs(), limit=4)
    rest = await list_acts(store, WantedActs(), limit=4, before=first.before or "")
    assert [one.number for one in (*first.found, *rest.found)] == [6, 5, 4, 3, 2, 1]
    assert rest.before is None
    assert [one.number for one in (await list_acts(store, WantedActs(on=user_id), limit=9)).found] == [6, 3]
    assert [one.number for one in (await list_acts(store, WantedActs(actor="usr_bob"), limit=9)).found] == [6]
    assert (await list_acts(store, WantedActs(act="erase_user"), limit=9)).found == ()


async def test_numbers_and_odd_texts_are_hashed_as_they_stand(store: Store) -> None:
    name = "".join(map(chr, range(32, 127))) + "äöü €🂡" * 20
    user = await create_user(store, "ada@example.com", "free", {"units_per_day": 2**53 - 1}, by=ADA)
    for length in (1, 55, 56, 63, 64, 65, 100):
        await create_api_key(
            store, PEPPER, user_id=user.id, name=name[:length], scopes=DEFAULT_SCOPES, lives_s=60, by=ADA
        )
    await verified(store)
    assert (await acts(store))[0].after == {
        "role": "free", "overrides": {"units_per_day": 2**53 - 1}, "status": "active",
    }  # fmt: skip
