from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from libs.access.api_key import DEFAULT_SCOPES, digest, mint
from libs.access.api_keys import create_api_key, revoke_api_key
from libs.access.directory import Directory
from libs.access.plan import DEFAULT_PLANS
from libs.access.plans import Plans, put_plan
from libs.access.users import create_user, update_user
from libs.store.client import Store
from tests.patience import PATIENCE_S

PEPPER = b"pepper"


class Known:
    """One user with one key."""

    def __init__(self, user_id: str, key_id: str, hashed: str) -> None:
        self.user_id, self.key_id, self.digest = user_id, key_id, hashed


@pytest.fixture
async def known(store: Store) -> Known:
    user = await create_user(store, "a@b.c", "pro", {"slots": 7})
    api_key, secret = await create_api_key(
        store, PEPPER, user_id=user.id, name="ci", scopes=DEFAULT_SCOPES, lives_s=3_600
    )
    return Known(user.id, api_key.id, digest(secret, PEPPER))


@pytest.fixture
async def directory(store: Store) -> AsyncIterator[Directory]:
    """One that hears of revoked keys."""
    made = Directory(store)
    listening = asyncio.create_task(made.listen())
    async with asyncio.timeout(PATIENCE_S):
        while (await store.call("PUBSUB", "NUMSUB", store.keys.revoked))[1] == 0:
            await asyncio.sleep(0.005)
    yield made
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def forgotten(directory: Directory, known: Known, within_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(within_s):
        while directory.remembered(known.digest) is not None:
            await asyncio.sleep(0.005)


async def test_a_caller_is_found_with_plan_and_overrides(directory: Directory, known: Known) -> None:
    caller = await directory.find_caller(known.digest)
    assert caller is not None
    assert (caller.user_id, caller.email, caller.plan, caller.api_key_id) == (
        known.user_id,
        "a@b.c",
        "pro",
        known.key_id,
    )
    assert (caller.limits.slots, caller.limits.weight) == (7, 4)
    assert caller.scopes == DEFAULT_SCOPES


async def test_an_unknown_key_has_no_caller_and_is_not_remembered(directory: Directory) -> None:
    assert await directory.find_caller(digest(mint(), PEPPER)) is None


async def test_a_known_caller_is_found_without_asking_redis(store: Store, directory: Directory, known: Known) -> None:
    first = await directory.find_caller(known.digest)
    await store.call("FLUSHALL")
    assert await directory.find_caller(known.digest) is first


async def test_a_revoked_key_is_forgotten_within_a_second(store: Store, directory: Directory, known: Known) -> None:
    assert await directory.find_caller(known.digest)
    await revoke_api_key(store, known.key_id)
    await forgotten(directory, known)
    assert await directory.find_caller(known.digest) is None


async def test_a_suspended_user_has_no_callers_and_a_changed_plan_counts_at_once(
    store: Store, directory: Directory, known: Known
) -> None:
    assert await directory.find_caller(known.digest)
    await update_user(store, known.user_id, plan="free")
    await forgotten(directory, known)
    caller = await directory.find_caller(known.digest)
    assert caller is not None
    assert caller.plan == "free"
    await update_user(store, known.user_id, status="suspended")
    await forgotten(directory, known)
    assert await directory.find_caller(known.digest) is None
    await update_user(store, known.user_id, status="active")
    assert await directory.find_caller(known.digest)


async def test_without_a_message_a_caller_is_stale_for_five_seconds_at_most(store: Store, known: Known) -> None:
    now = 0.0
    deaf = Directory(store, clock=lambda: now)
    assert await deaf.find_caller(known.digest)
    await revoke_api_key(store, known.key_id)
    now = 4.9
    assert await deaf.find_caller(known.digest)
    now = 5.0
    assert await deaf.find_caller(known.digest) is None


async def test_a_key_is_never_remembered_past_its_end(store: Store, known: Known) -> None:
    now = 0.0
    directory = Directory(store, clock=lambda: now)
    redis_s = int((await store.call("TIME"))[0])
    await store.call("HSET", store.keys.api_key + known.digest, "revoked", (redis_s + 2) * 1_000)
    assert await directory.find_caller(known.digest)
    now = 2.1
    assert directory.remembered(known.digest) is None


async def test_what_is_remembered_is_bounded_and_the_oldest_goes_first(store: Store, known: Known) -> None:
    directory = Directory(store, entries_max=1)
    _, secret = await create_api_key(
        store, PEPPER, user_id=known.user_id, name="other", scopes=DEFAULT_SCOPES, lives_s=60
    )
    assert await directory.find_caller(known.digest)
    assert await directory.find_caller(digest(secret, PEPPER))
    assert directory.remembered(known.digest) is None
    assert directory.remembered(digest(secret, PEPPER))


async def test_an_answer_that_was_on_its_way_when_the_key_was_revoked_is_not_remembered(
    store: Store, directory: Directory, known: Known
) -> None:
    looking = asyncio.create_task(directory.find_caller(known.digest))
    await asyncio.sleep(0)
    directory.forget(known.digest)
    assert await looking is not None
    assert directory.remembered(known.digest) is None


async def test_after_an_outage_of_the_channel_everything_is_looked_up_anew(
    store: Store, directory: Directory, known: Known
) -> None:
    assert await directory.find_caller(known.digest)
    await store.call("CLIENT", "KILL", "TYPE", "pubsub")
    async with asyncio.timeout(PATIENCE_S):
        while directory.remembered(known.digest) is not None:
            await asyncio.sleep(0.01)
    assert await directory.find_caller(known.digest)
    await revoke_api_key(store, known.key_id)
    await forgotten(directory, known, within_s=5.0)  # what may be promised while the channel is cut


# What is open on the strength of a key


async def until(task: asyncio.Task[None], within_s: float) -> bool:
    """Whether it ends in time."""
    await asyncio.wait({task}, timeout=within_s)
    return task.done()


async def test_who_has_something_open_hears_of_the_keys_end_at_once(
    store: Store, directory: Directory, known: Known
) -> None:
    several = [asyncio.create_task(directory.until_refused(known.digest)) for _ in range(3)]
    assert not await until(several[0], 0.2)
    await update_user(store, known.user_id, plan="free")
    assert not await until(several[0], 0.2)
    await revoke_api_key(store, known.key_id)
    assert [await until(one, 1.0) for one in several] == [True] * 3
    assert not directory._watched


async def test_a_key_that_ended_before_anybody_watched_is_noticed(store: Store, known: Known) -> None:
    await revoke_api_key(store, known.key_id)
    assert await until(asyncio.create_task(Directory(store).until_refused(known.digest)), 1.0)


async def test_a_deployment_without_keys_never_ends_anything(directory: Directory) -> None:
    watching = asyncio.create_task(directory.until_refused(""))
    await asyncio.sleep(0)
    directory.forget("")
    assert not await until(watching, 0.1)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert not directory._watched


async def test_a_changed_plan_is_told_to_everybody(store: Store, directory: Directory, known: Known) -> None:
    caller = await directory.find_caller(known.digest)
    assert caller is not None
    assert caller.limits.queued_max == 100
    await put_plan(store, Plans(), "pro", replace(DEFAULT_PLANS["pro"], queued_max=7))
    await forgotten(directory, known)
    caller = await directory.find_caller(known.digest)
    assert caller is not None
    assert (caller.limits.queued_max, caller.limits.slots) == (7, 7)
