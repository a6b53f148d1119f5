"""A user's sets, after a hand in Redis: places that nothing takes are free again."""

from __future__ import annotations

from libs.access.users import create_user
from libs.jobs.lifecycle import claim
from libs.jobs.mending import mend_sets
from libs.store.client import Store
from tests.fakes.callers import make_caller, submit
from tests.integration.libs.jobs.snapshot import take_snapshot


async def test_lost_records_leave_the_sets_and_whoever_waited_for_their_places_gets_them(store: Store) -> None:
    user = await create_user(store, "ada@example.com", "free")
    caller = make_caller(user_id=user.id, slots=2)
    made = [(await submit(store, caller)).job_id for _ in range(6)]
    (running,) = (await claim(store, "w1", ["cpu"], 1, 30)).jobs
    opened = {one.decode() for one in await store.call("SMEMBERS", f"{store.keys.open}{user.id}:cpu")}
    (ready,) = opened - {running.job_id}
    held = next(one for one in made if one not in opened)
    before = await take_snapshot(store)
    assert await mend_sets(store, 0) == (0, 0)
    assert (await take_snapshot(store)).values == before.values
    for lost in (ready, held):
        await store.call("DEL", store.keys.job + lost)
        await store.call("ZREM", store.keys.zset_of("cpu"), lost)
        await store.call("ZREM", f"{store.keys.lane}{user.id}:cpu:-", lost)
    assert await mend_sets(store, 0) == (3, 0)
    assert await store.call("SCARD", f"{store.keys.open}{user.id}:cpu") == 2
    assert held.encode() not in await store.call("SMEMBERS", store.keys.queued + user.id)
    assert len((await claim(store, "w1", ["cpu"], 9, 30)).jobs) == 1
    assert await mend_sets(store, 0) == (0, 0)


async def test_users_are_visited_page_by_page(store: Store) -> None:
    for n in range(55):
        await create_user(store, f"{n}@example.com", "free")
    assert await mend_sets(store, 0) == (0, 50)
    assert await mend_sets(store, 50) == (0, 0)
