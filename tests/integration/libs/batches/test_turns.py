"""A batch that is sorted by store: the stores take turns, and nothing else about it is different."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from libs.access.caller import Caller
from libs.batches.cancel import cancel_batch
from libs.batches.feed import Rooms, feed
from libs.batches.items import Item, ItemShelf, ItemWriter
from libs.batches.listing import list_items
from libs.batches.lookup import load_batch
from libs.batches.turns import items_from
from libs.errors import Refusal, Unavailable
from libs.ids import new_id
from libs.jobs.lifecycle import sweep
from libs.jobs.lookup import load_job
from tests.fakes.batches import Desk
from tests.integration.libs.jobs.invariants import check_at_rest, check_invariants
from tests.integration.libs.jobs.snapshot import take_snapshot
from tests.patience import PATIENCE_S

#: More than a block of items, in which the small store comes last.
STORES = ["large"] * 300 + ["middling"] * 200 + ["small"] * 20
#: The items of the first fifty turns.
FIRST = {*range(17), *range(300, 317), *range(500, 516)}


def sorted_items(stores: Sequence[str] = STORES) -> list[Item]:
    return [Item({"n": n}, 1, fairness_key=store) for n, store in enumerate(stores)]


async def whole(desk: Desk) -> None:
    now_s = int((await desk.store.call("TIME"))[0])
    check_invariants(await take_snapshot(desk.store), ["cpu"], now_s * 1000)


async def made(desk: Desk, caller: Caller, batch_id: str) -> Counter[str]:
    """How many items of each store have become jobs."""
    batch = await load_batch(desk.store, caller.user_id, batch_id)
    return Counter(STORES[index] for index in await items_from(desk.store, batch, 0, batch.next_item))


async def test_every_store_is_on_its_way_after_one_window(desk: Desk) -> None:
    caller = await desk.caller("internal", queued_max=100)
    batch_id = await desk.submit(caller, sorted_items())
    await desk.tend()
    assert await made(desk, caller, batch_id) == {"large": 17, "middling": 17, "small": 16}
    await whole(desk)
    batch = await load_batch(desk.store, caller.user_id, batch_id)
    for index in await items_from(desk.store, batch, 0, batch.next_item):
        job = await load_job(desk.store, caller.user_id, batch.job_id(index))
        assert (job.input["n"], job.fairness_key) == (index, STORES[index])
    done = Counter[str]()
    while done["small"] < STORES.count("small"):
        await desk.tend()
        done.update(STORES[index] for index in await desk.work(10))
    assert done.total() < 100, "a small store is through early"


async def test_the_key_of_the_batch_is_that_of_items_without_one(desk: Desk) -> None:
    caller = await desk.caller("internal", queued_max=100)
    keys = [None] * 60 + ["own"] * 60 + ["other"] * 60
    items = [Item({"n": n}, 1, fairness_key=key) for n, key in enumerate(keys)]
    batch_id = await desk.submit(caller, items, fairness_key="own")
    await desk.tend()
    batch = await load_batch(desk.store, caller.user_id, batch_id)
    taken = Counter(keys[index] or "own" for index in await items_from(desk.store, batch, 0, batch.next_item))
    assert taken == {"own": 25, "other": 25}


async def test_results_stand_in_the_order_of_the_items(desk: Desk) -> None:
    caller = await desk.caller()
    batch_id = await desk.submit(caller, sorted_items())
    batch = await desk.until_over(caller, batch_id, most=100)
    assert [(one["index"], one["output"]["square"]) for one in await desk.results(batch)] == [
        (n, n * n) for n in range(len(STORES))
    ]
    assert 0 < await desk.store.call("TTL", desk.store.keys.batch_turns + batch_id) <= 60
    check_at_rest(await take_snapshot(desk.store), ["cpu"])


async def test_a_page_of_items_tells_which_are_jobs(desk: Desk) -> None:
    caller = await desk.caller("internal", queued_max=100)
    batch_id = await desk.submit(caller, sorted_items())
    await desk.tend()
    batch = await load_batch(desk.store, caller.user_id, batch_id)
    page = await list_items(desk.store, desk.objects, batch, status=None, limit=len(STORES))
    jobs = {item["index"] for item in page.items if item["job_id"]}
    assert jobs == FIRST
    assert [item["index"] for item in page.items] == list(range(len(STORES)))


async def test_canceled_in_the_middle_every_item_ends_once_and_is_told_at_its_place(desk: Desk) -> None:
    caller = await desk.caller("internal", queued_max=100)
    batch_id = await desk.submit(caller, sorted_items())
    await desk.tend()
    done = await desk.work(30)
    await cancel_batch(desk.store, caller.user_id, batch_id)
    await whole(desk)
    batch = await desk.until_over(caller, batch_id)
    results = await desk.results(batch)
    assert [one["index"] for one in results] == list(range(len(STORES)))
    assert [one["index"] for one in results if one["status"] == "succeeded"] == sorted(done)
    assert {one["index"] for one in results if one["job_id"]} == FIRST
    assert (batch.status, batch.counts["canceled"]) == ("canceled", len(STORES) - len(done))
    await whole(desk)
    check_at_rest(await take_snapshot(desk.store), ["cpu"])


async def test_what_had_no_turn_by_the_deadline_expires(desk: Desk) -> None:
    caller = await desk.caller("internal", queued_max=100)
    batch_id = await desk.submit(caller, sorted_items(), deadline_s=0.5)
    await desk.tend()
    async with asyncio.timeout(PATIENCE_S):
        while not (batch := await load_batch(desk.store, caller.user_id, batch_id)).over:
            await sweep(desk.store, "cpu", most=100, offset=0)
            await desk.tend()
    assert (batch.status, batch.counts["expired"]) == ("finished", len(STORES))
    assert [one["index"] for one in await desk.results(batch)] == list(range(len(STORES)))
    await whole(desk)


async def test_a_chunk_that_is_fed_twice_makes_no_item_twice(desk: Desk) -> None:
    caller = await desk.caller()
    batch = await load_batch(desk.store, caller.user_id, await desk.submit(caller, sorted_items()))
    items = await ItemShelf(desk.objects, batch).items(await items_from(desk.store, batch, 0, 50))
    rooms = Rooms(10_000)
    fed = [await feed(desk.store, desk.objects, batch, 0, items, caller.limits, rooms) for _ in range(2)]
    assert [(one.admitted, one.next_item) for one in fed] == [(50, 50), (0, 50)]
    await whole(desk)


async def test_a_batch_that_is_refused_leaves_no_turns(desk: Desk) -> None:
    caller = await desk.caller("free", units_per_day=5)
    with pytest.raises(Refusal):
        await desk.submit(caller, sorted_items())
    assert await desk.store.call("KEYS", desk.store.keys.batch_turns + "*") == []


async def test_turns_lapse_unless_their_batch_is_admitted(desk: Desk) -> None:
    caller = await desk.caller()
    writer = ItemWriter(desk.store, desk.objects, caller.user_id, new_id("batch"))
    for item in sorted_items():
        await writer.add(item)
    await writer.close()
    (key,) = await desk.store.call("KEYS", desk.store.keys.batch_turns + "*")
    assert 3_600 < await desk.store.call("TTL", key) <= 7_200
    admitted = await desk.submit(caller, sorted_items())
    assert await desk.store.call("TTL", desk.store.keys.batch_turns + admitted) == -1


async def test_who_looked_at_a_batch_before_it_was_closed_is_told_nothing_wrong(desk: Desk) -> None:
    caller = await desk.caller("internal", queued_max=100)
    batch_id = await desk.submit(caller, sorted_items())
    await desk.tend()
    done = await desk.work(30)
    await cancel_batch(desk.store, caller.user_id, batch_id)
    before = await load_batch(desk.store, caller.user_id, batch_id)
    await desk.until_over(caller, batch_id)
    page = await list_items(desk.store, desk.objects, before, status=None, limit=len(STORES))
    assert sorted(item["index"] for item in page.items if item["status"] == "succeeded") == sorted(done)
    assert {item["status"] for item in page.items} == {"succeeded", "canceled"}
    await desk.store.call("DEL", desk.store.keys.batch_turns + batch_id)
    with pytest.raises(Unavailable):
        await list_items(desk.store, desk.objects, before, status=None, limit=20)
