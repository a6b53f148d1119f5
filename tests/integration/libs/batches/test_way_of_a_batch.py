"""The way of a batch: reserved at once, made jobs in chunks, gathered into one file; and the ledger balances."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from libs import limits
from libs.admission.ledger import differences
from libs.artifacts.objects import Objects
from libs.batches.cancel import cancel_batch
from libs.batches.feed import Rooms, feed
from libs.batches.items import Item, ItemWriter
from libs.batches.lookup import load_batch
from libs.errors import Refusal
from libs.ids import new_id
from libs.jobs.lifecycle import cancel, claim, finish, sweep
from libs.jobs.lookup import load_job
from libs.jobs.scripts import PROLONG_BATCH
from libs.store.client import Store
from libs.webhooks.hook import Hook
from tests.fakes.batches import Desk, items_of
from tests.fakes.callers import submit
from tests.fakes.clock import ClockedStore
from tests.integration.libs.jobs.invariants import check_at_rest, check_invariants
from tests.integration.libs.jobs.snapshot import take_snapshot
from tests.patience import PATIENCE_S


async def whole(store: Store) -> None:
    """Every invariant of the queue, and of batches."""
    now_s = int((await store.call("TIME"))[0])
    check_invariants(await take_snapshot(store), ["cpu"], now_s * 1000)


async def test_every_item_is_a_job_once_and_its_result_stands_at_its_place(desk: Desk) -> None:
    caller = await desk.caller()
    batch_id = await desk.submit(caller, items_of(350, metadata={"row": "a"}), metadata={"name": "x"})
    await whole(desk.store)
    batch = await load_batch(desk.store, caller.user_id, batch_id)
    assert (batch.counts["queued"], batch.next_item, batch.metadata) == (350, 0, {"name": "x"})
    batch = await desk.until_over(caller, batch_id, fails={3, 250})
    assert batch.status == "finished"
    assert {status: count for status, count in batch.counts.items() if count} == {"succeeded": 348, "failed": 2}
    results = await desk.results(batch)
    assert [result["index"] for result in results] == list(range(350))
    assert [result["index"] for result in results if result["status"] == "failed"] == [3, 250]
    assert results[3]["error"]["code"] == "bad"
    assert results[7] | {"job_id": ""} == {
        "index": 7,
        "job_id": "",
        "status": "succeeded",
        "cached": False,
        "output": {"square": 49},
        "output_bytes": 13,
        "artifacts": [],
        "error": None,
        "metadata": {"row": "a"},
        "fairness_key": None,
    }
    assert (await load_job(desk.store, caller.user_id, results[7]["job_id"])).input == {"n": 7}
    await whole(desk.store)
    check_at_rest(await take_snapshot(desk.store), ["cpu"])


@pytest.mark.parametrize(
    "words, canceled, told",
    [
        (("finished", "canceled"), False, ["batch.finished"]),
        (("finished", "canceled"), True, ["batch.canceled"]),
        (("canceled",), False, []),
        (("canceled",), True, ["batch.canceled"]),
    ],
)
async def test_its_own_webhook_is_told_once_of_what_it_asked_for(
    desk: Desk, words: tuple[str, ...], *, canceled: bool, told: list[str]
) -> None:
    caller, hook = await desk.caller(), Hook("https://example.com/", "0123456789abcdef", words)
    batch_id = await desk.submit(caller, items_of(3), hook=hook)
    if canceled:
        await cancel_batch(desk.store, caller.user_id, batch_id)
    await desk.until_over(caller, batch_id)
    await desk.tend()
    entries = await desk.store.call("XRANGE", desk.store.keys.outbox, "-", "+")
    found = [dict(zip(entry[::2], entry[1::2], strict=True)) for _, entry in entries]
    assert [entry[b"event"].decode() for entry in found] == told
    assert {entry[b"receiver"] for entry in found} <= {b"0123456789abcdef"}


async def test_who_took_a_batch_before_its_end_and_looks_after_it_later_forgets_nothing(desk: Desk) -> None:
    caller = await desk.caller()
    batch_id = await desk.submit(caller, items_of(2))
    (late,) = await desk.tender.take(1)
    batch = await desk.until_over(caller, batch_id)
    await desk.tender.tend(late)
    assert len(await desk.results(batch)) == 2
    await desk.store.run(PROLONG_BATCH, (), (late.member, 250))
    assert (await load_batch(desk.store, caller.user_id, batch_id)).status == "finished"
    due_ms = float(await desk.store.call("ZSCORE", desk.store.keys.batches_due, late.member))
    assert due_ms >= (batch.finished_at_ms or 0) + batch.retention_s * 1000


async def test_who_feeds_a_batch_that_is_gone_is_told_that_none_are_left(desk: Desk) -> None:
    caller = await desk.caller()
    batch = await load_batch(desk.store, caller.user_id, await desk.submit(caller, items_of(2)))
    await desk.store.call("DEL", desk.store.keys.batch + batch.id)
    fed = await feed(desk.store, desk.objects, batch, 0, [*enumerate(items_of(2))], caller.limits, desk.rooms)
    assert (fed.admitted, fed.over) == (0, True)


async def test_redis_holds_a_window_of_the_items(desk: Desk) -> None:
    caller = await desk.caller(queued_max=100)
    batch_id = await desk.submit(caller, items_of(350))
    await desk.tend()
    batch = await load_batch(desk.store, caller.user_id, batch_id)
    assert batch.next_item == 50, "half of the user's places: the others are for single jobs"
    assert batch.counts["queued"] == 350
    assert len(await desk.work(30)) == 10, "the slots of the plan"
    await desk.work(40)
    await desk.work(40)
    await desk.tend()
    batch = await load_batch(desk.store, caller.user_id, batch_id)
    assert batch.next_item == 80
    await submit(desk.store, caller)
    await whole(desk.store)


async def test_a_batch_leaves_half_of_the_queue_to_others(desk: Desk) -> None:
    desk.rooms = Rooms(40)
    caller = await desk.caller()
    batch_id = await desk.submit(caller, items_of(120))
    await desk.tend()
    assert (await load_batch(desk.store, caller.user_id, batch_id)).next_item == 20


async def test_two_batches_of_a_user_share_the_room_and_the_slots(clocked: ClockedStore, objects: Objects) -> None:
    desk = Desk(clocked, objects)  # shares are of time: every job takes one second of it
    caller = await desk.caller(queued_max=120, slots=4)
    first, second = [await desk.submit(caller, items_of(200)) for _ in range(2)]
    await desk.tend()
    await desk.tend()
    nexts = [(await load_batch(desk.store, caller.user_id, one)).next_item for one in (first, second)]
    assert nexts == [30, 30]
    mine: Counter[str | None] = Counter()
    for _ in range(10):
        claimed = await desk.claim(4)
        await clocked.pass_time(1_000)
        for one in claimed:
            batch = await desk.store.call("HGET", desk.store.keys.job + one.job_id, "batch")
            mine[batch.decode()] += 1
            await finish(desk.store, one.job_id, one.fence, "succeed")
    assert abs(mine[first] - mine[second]) <= 4, "those that it had the slots to itself for"


async def test_fairness_keys_of_items_share_equally(clocked: ClockedStore, objects: Objects) -> None:
    desk = Desk(clocked, objects)  # shares are of slot-seconds: where time stands still, each job takes the same
    caller = await desk.caller(slots=2)
    stores = ["a"] * 30 + ["b"] * 10
    await desk.submit(caller, [Item({"n": n}, 1, store) for n, store in enumerate(stores)])
    await desk.tend()
    done = [n for _ in range(8) for n in await desk.work(2)]
    assert Counter(stores[n] for n in done) == {"a": 8, "b": 8}


async def test_another_users_job_goes_before_the_rest_of_a_batch(desk: Desk) -> None:
    await desk.submit(await desk.caller(slots=2), items_of(100))
    await desk.tend()
    other = await desk.caller()
    job = (await submit(desk.store, other)).job_id
    claimed = [one.job_id for _ in range(2) for one in (await claim(desk.store, "w", ["cpu"], 2, 30)).jobs]
    assert job in claimed


async def test_who_has_stored_too_much_submits_no_batch(desk: Desk) -> None:
    caller = await desk.caller("pro")
    full = replace(caller, limits=replace(caller.limits, stored_bytes_max=0))
    with pytest.raises(Refusal) as refused:
        await desk.submit(full, items_of(2))
    assert refused.value.code == "storage_exceeded"
    await desk.submit(caller, items_of(2))


async def test_a_quota_that_does_not_do_for_all_refuses_all_and_leaves_nothing(desk: Desk) -> None:
    caller = await desk.caller("pro")
    await desk.submit(caller, items_of(60))
    before = await take_snapshot(desk.store)
    with pytest.raises(Refusal) as refused:
        await desk.submit(caller, items_of(41))
    assert refused.value.code == "quota_exceeded"
    assert (await take_snapshot(desk.store)).values == before.values
    assert len({each.name.split("/")[4] for each in await desk.objects.list(f"{caller.user_id}/")}) == 1
    await desk.submit(caller, items_of(40))
    await whole(desk.store)


async def test_the_same_idempotency_key_makes_one_batch(desk: Desk) -> None:
    caller = await desk.caller()
    told: dict[str, Any] = {"idempotency": "a" * 32, "fingerprint": "f"}
    first = await desk.submit(caller, items_of(10), **told)
    assert await desk.submit(caller, items_of(10), **told) == first
    with pytest.raises(Refusal, match=f"batch {first}"):
        await desk.submit(caller, items_of(10), **(told | {"fingerprint": "g"}))
    await desk.until_over(caller, first)
    assert await desk.submit(caller, items_of(10), **told) == first
    left_s = await desk.store.call("TTL", f"{desk.store.keys.idempotency}{caller.user_id}:{'a' * 32}")
    assert 86_300 < left_s <= 86_400
    await whole(desk.store)


async def test_canceling_ends_the_rest_at_once_and_what_runs_is_asked_to_stop(desk: Desk) -> None:
    caller = await desk.caller("pro", units_per_day=None, slots=5)
    batch_id = await desk.submit(caller, items_of(250))
    await desk.tend()
    await desk.work(5)
    running = await desk.claim(5)
    assert await cancel_batch(desk.store, caller.user_id, batch_id) == "requested"
    batch = await load_batch(desk.store, caller.user_id, batch_id)
    assert (batch.status, batch.counts["canceled"]) == ("running", 200)
    assert await cancel_batch(desk.store, caller.user_id, batch_id) == "requested"
    await whole(desk.store)
    await desk.tend()
    batch = await load_batch(desk.store, caller.user_id, batch_id)
    assert {status: count for status, count in batch.counts.items() if count} == {
        "succeeded": 5,
        "running": 5,
        "canceled": 240,
    }
    for one in running:
        await finish(desk.store, one.job_id, one.fence, "cancel")
    batch = await desk.until_over(caller, batch_id)
    assert batch.status == "canceled"
    assert [result["status"] for result in await desk.results(batch)] == ["succeeded"] * 5 + ["canceled"] * 245
    assert [result["job_id"] for result in await desk.results(batch)][50:] == [None] * 200
    assert await cancel_batch(desk.store, caller.user_id, batch_id) == "canceled"
    await whole(desk.store)
    assert [one async for one in differences(desk.store)] == []


async def test_what_has_not_become_a_job_by_the_deadline_expires_and_costs_nothing(desk: Desk) -> None:
    caller = await desk.caller("free", units_per_day=100)
    batch_id = await desk.submit(caller, items_of(20), deadline_s=0.2)
    await desk.tend()
    await desk.work(1)
    async with asyncio.timeout(PATIENCE_S):
        while not (batch := await load_batch(desk.store, caller.user_id, batch_id)).over:
            await sweep(desk.store, "cpu", most=100, offset=0)
            await desk.tend()
    assert batch.status == "finished"
    assert (batch.counts["succeeded"], batch.counts["expired"]) in {(1, 19), (0, 20)}
    await whole(desk.store)


async def test_an_item_may_be_canceled_by_itself(desk: Desk) -> None:
    caller = await desk.caller()
    batch_id = await desk.submit(caller, items_of(3))
    await desk.tend()
    batch = await load_batch(desk.store, caller.user_id, batch_id)
    assert await cancel(desk.store, caller.user_id, batch.job_id(1)) == "canceled"
    batch = await desk.until_over(caller, batch_id)
    assert batch.status == "finished"
    assert [result["status"] for result in await desk.results(batch)] == ["succeeded", "canceled", "succeeded"]
    assert await cancel_batch(desk.store, caller.user_id, batch_id) == "finished"


async def test_a_suspended_users_batch_waits(desk: Desk) -> None:
    caller = await desk.caller()
    await desk.store.call("HSET", desk.store.keys.user + caller.user_id, "status", "suspended")
    batch_id = await desk.submit(caller, items_of(3))
    await desk.tend()
    assert (await load_batch(desk.store, caller.user_id, batch_id)).next_item == 0
    await desk.store.call("HSET", desk.store.keys.user + caller.user_id, "status", "active")
    assert (await desk.until_over(caller, batch_id)).counts["succeeded"] == 3


async def test_past_its_retention_a_batch_leaves_nothing(desk: Desk) -> None:
    caller = await desk.caller(retention_s=0)
    batch_id = await desk.submit(caller, items_of(120))
    await desk.until_over(caller, batch_id, most=200)
    await desk.tend()
    assert await desk.objects.list(f"{caller.user_id}/") == ()
    left = await take_snapshot(desk.store)
    assert not [key for key in left.values if batch_id in key]
    assert not left.values.get(left.keys.batches_due)
    assert not left.under(left.keys.batches)


async def test_a_batch_that_was_never_admitted_is_swept_away(desk: Desk) -> None:
    caller, batch_id = await desk.caller(), new_id("batch")
    writer = ItemWriter(desk.store, desk.objects, caller.user_id, batch_id)
    for item in items_of(limits.BATCH_BLOCK_ITEMS + 1):
        await writer.add(item)
    await writer.close()
    assert len(await desk.objects.list(f"{caller.user_id}/")) == 2
    assert await desk.tend() == 0, "its submission may be under way"
    await desk.store.call("ZADD", desk.store.keys.batches_due, 1, f"{caller.user_id} {batch_id}")
    await desk.tend()
    assert await desk.objects.list(f"{caller.user_id}/") == ()
    assert not await desk.store.call("ZCARD", desk.store.keys.batches_due)


async def test_the_endpoints_of_its_user_are_told_of_its_end_once(desk: Desk) -> None:
    caller = await desk.caller()
    await desk.store.call("SET", desk.store.keys.webhook_wants + caller.user_id, "batch.finished")
    batch_id = await desk.submit(caller, items_of(3))
    await desk.until_over(caller, batch_id)
    ((_, entry),) = await desk.store.call("XRANGE", desk.store.keys.outbox, "-", "+")
    told = {entry[i].decode(): entry[i + 1].decode() for i in range(0, len(entry), 2)}
    assert (told["event"], told["about"], told["user"]) == ("batch.finished", batch_id, caller.user_id)


async def test_while_the_store_is_nearly_full_no_item_becomes_a_job(desk: Desk) -> None:
    has_room = False
    desk.rooms = Rooms(10_000, lambda: has_room)
    caller = await desk.caller()
    batch_id = await desk.submit(caller, items_of(3))
    await desk.tend()
    assert await desk.work() == []
    has_room = True
    assert (await desk.until_over(caller, batch_id)).counts["succeeded"] == 3
