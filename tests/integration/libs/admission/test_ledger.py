"""The ledger adds up, and a hand in Redis is found."""

from __future__ import annotations

from libs.access.users import create_user
from libs.admission.ledger import differences
from libs.jobs.lifecycle import cancel, claim, finish
from libs.store.client import Store
from tests.fakes.callers import make_caller, submit


async def found(store: Store) -> list[str]:
    return [difference.what async for difference in differences(store)]


async def busy_user(store: Store) -> str:
    """One job of each end, one running and one that waits."""
    user = await create_user(store, "someone@example.com", "internal", {})
    caller = make_caller(user_id=user.id)
    for ending, payment in (("succeed", "settle"), ("fail", "refund"), ("cancel", "settle")):
        await submit(store, caller, units=3)
        (claimed,) = (await claim(store, "w1", ["cpu"], 1, 30)).jobs
        await finish(store, claimed.job_id, claimed.fence, ending, payment=payment)  # type: ignore[arg-type]
    await cancel(store, user.id, (await submit(store, caller, units=5)).job_id)
    await submit(store, caller, units=7)
    assert len((await claim(store, "w1", ["cpu"], 1, 30)).jobs) == 1
    await submit(store, caller, units=11)
    return user.id


async def test_whatever_becomes_of_jobs_the_ledger_is_the_counters(store: Store) -> None:
    await busy_user(store)
    assert await found(store) == []


async def test_a_changed_counter_and_a_lost_job_are_found(store: Store) -> None:
    user_id = await busy_user(store)
    (usage,) = await store.call("KEYS", store.keys.usage + user_id + ":*")
    await store.call("HINCRBY", usage, "used", 1)
    running = next(iter(await store.call("SMEMBERS", store.keys.queued + user_id))).decode()
    await store.call("DEL", store.keys.job + running)
    assert [what.rpartition(" on day")[0] or what for what in await found(store)] == [
        "units used",
        "units held by unfinished jobs",
        "bytes of records",
    ]
