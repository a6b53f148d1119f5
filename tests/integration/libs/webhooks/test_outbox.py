"""The queues of receivers on a clock of the test's own: the schedule, leases, fences, shares and bounds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from libs.store.client import Store
from libs.store.keyspace import Keyspace
from libs.store.url import parse_url
from libs.webhooks.deliveries import list_deliveries, load_delivery, redeliver, send_ping
from libs.webhooks.endpoint import Endpoint
from libs.webhooks.endpoints import (
    create_endpoint,
    delete_endpoint,
    erase_webhooks,
    load_endpoint,
    open_default,
    rotate_secret,
    update_endpoint,
)
from libs.webhooks.outbox import Due, Ending, Taken, count_waiting, dispatch, finish, take
from libs.webhooks.schedule import Schedule
from libs.webhooks.secrets import Secrets
from tests.fakes.clock import START_MS, ClockedStore
from tests.patience import PATIENCE_S
from tests.servers import RedisServer

SECRETS = Secrets(b"pepper")
USER = "usr_01jd3f8x5e0000000000000000"
SCHEDULE = Schedule(jitter=0)
LEASE_S = 30.0


@pytest.fixture
async def clocked(valkey: RedisServer) -> AsyncIterator[ClockedStore]:
    store = ClockedStore(parse_url(valkey.url), Keyspace.with_prefix("arqade"), timeout_s=PATIENCE_S)
    await store.travel_to(START_MS)
    yield store
    await store.close()


async def endpoint(store: Store, user_id: str = USER, **more: Any) -> Endpoint:
    usual: dict[str, Any] = {
        "url": "https://example.com/", "events": ("job.succeeded",), "description": "", "token": None,
    }  # fmt: skip
    return await create_endpoint(store, SECRETS, user_id, **(usual | more))


async def look(store: Store, most: int = 100, ailing: int = 100) -> Taken:
    return await take(store, "cour_test", lease_s=LEASE_S, most=most, ailing=ailing)


async def one(store: Store) -> Due:
    (due,) = (await look(store)).due
    return due


async def fail(store: Store, due: Due) -> str:
    return await finish(store, due, Ending("failed", SCHEDULE.wait_s(due.tries), 0.1, 500), SCHEDULE.span_s)


async def say(store: Store, event: str, about: str = "job_1", receiver: str = "") -> None:
    words = ("event", event, "user", USER, "about", about, "sequence", 3, "at", START_MS, "receiver", receiver)
    await store.call("XADD", store.keys.outbox, "*", *words)


async def test_the_schedule_is_kept_to_its_end_and_then_the_endpoint_is_disabled(clocked: ClockedStore) -> None:
    hook = await endpoint(clocked)
    sent = await send_ping(clocked, USER, hook.id)
    begun_ms, at_s = clocked.now_ms, []
    for _ in SCHEDULE.pauses_s:
        due = await one(clocked)
        assert due.id == sent.id
        at_s.append((clocked.now_ms - begun_ms) / 1000)
        outcome = await fail(clocked, due)
        if outcome == "retried":
            await clocked.pass_time(int((SCHEDULE.wait_s(due.tries) or 0) * 1000) - 1)
            assert (await look(clocked)).due == ()
            await clocked.pass_time(1)
    assert at_s == [sum(SCHEDULE.pauses_s[: n + 1]) for n in range(10)]
    assert outcome == "disabled"
    delivery = await load_delivery(clocked, hook.id, sent.id)
    assert (delivery.status, len(delivery.attempts)) == ("failed", 10)
    assert (await load_endpoint(clocked, USER, hook.id)).disabled == "failing"
    await say(clocked, "job.succeeded")
    await dispatch(clocked)
    assert len((await list_deliveries(clocked, hook.id, limit=10))[0]) == 1
    assert await clocked.call("EXISTS", clocked.keys.webhook_wants + USER) == 0


async def test_one_success_keeps_an_endpoint_enabled(clocked: ClockedStore) -> None:
    hook = await endpoint(clocked)
    await send_ping(clocked, USER, hook.id)
    for _ in range(9):
        await fail(clocked, due := await one(clocked))
        await clocked.pass_time(int((SCHEDULE.wait_s(due.tries) or 0) * 1000))
    last = await one(clocked)
    await send_ping(clocked, USER, hook.id)
    await finish(clocked, last, Ending("released"), SCHEDULE.span_s)
    again = await look(clocked, ailing=1)
    (late,) = again.due
    assert late.tries in (1, 10)
    await finish(clocked, late, Ending("delivered", status=200), SCHEDULE.span_s)
    rest = await one(clocked)
    assert await fail(clocked, rest) in ("failed", "retried")
    assert (await load_endpoint(clocked, USER, hook.id)).disabled is None


async def test_a_lost_lease_brings_the_delivery_back_under_its_id_and_fences_the_late(clocked: ClockedStore) -> None:
    hook = await endpoint(clocked)
    await send_ping(clocked, USER, hook.id)
    first = await one(clocked)
    assert (await look(clocked)).due == ()
    await clocked.pass_time(int(LEASE_S * 1000))
    second = await one(clocked)
    assert (second.id, second.tries) == (first.id, 2)
    assert await finish(clocked, first, Ending("delivered", status=200), SCHEDULE.span_s) == "fenced"
    assert await finish(clocked, second, Ending("delivered", status=200), SCHEDULE.span_s) == "delivered"
    assert await finish(clocked, second, Ending("delivered", status=200), SCHEDULE.span_s) == "fenced"
    await clocked.pass_time(100_000_000)
    assert (await look(clocked)).due == ()


async def test_what_is_handed_back_has_cost_no_try(clocked: ClockedStore) -> None:
    hook = await endpoint(clocked)
    await send_ping(clocked, USER, hook.id)
    assert await finish(clocked, await one(clocked), Ending("released"), SCHEDULE.span_s) == "released"
    assert (await one(clocked)).tries == 1


async def test_an_entry_becomes_one_delivery_for_each_endpoint_that_asked(clocked: ClockedStore) -> None:
    asked, other = await endpoint(clocked), await endpoint(clocked, events=("job.failed",))
    await open_default(clocked, SECRETS, USER)
    await say(clocked, "job.succeeded", receiver="0123456789abcdef")
    await say(clocked, "job.running")
    assert await dispatch(clocked) == 2
    assert await dispatch(clocked) == 0
    due = (await look(clocked)).due
    assert sorted((each.endpoint_id, each.event, each.sequence) for each in due) == sorted(
        [(asked.id, "job.succeeded", 3), (USER, "job.succeeded", 3)]
    )
    assert len({each.id for each in due}) == 2
    assert (await list_deliveries(clocked, other.id, limit=10))[0] == []


async def test_a_script_makes_only_so_many_deliveries_however_many_endpoints_ask(clocked: ClockedStore) -> None:
    hooks = [await endpoint(clocked) for _ in range(10)]
    for n in range(12):
        await say(clocked, "job.succeeded", f"job_{n}")
    moved = [await dispatch(clocked) for _ in range(4)]
    assert moved == [5, 5, 2, 0]
    for hook in hooks:
        assert len((await list_deliveries(clocked, hook.id, limit=100))[0]) == 12


async def test_no_receiver_and_no_user_has_more_under_way_than_their_share(clocked: ClockedStore) -> None:
    hooks = [await endpoint(clocked) for _ in range(6)]
    stranger = await endpoint(clocked, "usr_01jd3f8x5e0000000000000001")
    for hook in hooks:
        for _ in range(6):
            await send_ping(clocked, USER, hook.id)
    taken = (await look(clocked)).due
    counts = {hook.id: sum(due.endpoint_id == hook.id for due in taken) for hook in hooks}
    assert max(counts.values()) == 4
    assert len(taken) == 16
    await send_ping(clocked, "usr_01jd3f8x5e0000000000000001", stranger.id)
    assert [due.endpoint_id for due in (await look(clocked)).due] == [stranger.id]
    for due in taken:
        await finish(clocked, due, Ending("delivered", status=200), SCHEDULE.span_s)
    await clocked.pass_time(1_000)
    assert len((await look(clocked)).due) == 16


async def test_a_receiver_is_given_more_at_once_as_it_proves_itself_and_less_after_a_failure(
    clocked: ClockedStore,
) -> None:
    hook = await endpoint(clocked)
    for _ in range(60):
        await send_ping(clocked, USER, hook.id)
    under_way = list((await look(clocked)).due)
    at_once = [len(under_way)]
    for _ in range(10):
        await finish(clocked, under_way.pop(), Ending("delivered", status=200), SCHEDULE.span_s)
        under_way += (await look(clocked)).due
        at_once.append(len(under_way))
    assert at_once == [4, 5, 6, 7, 8, 9, 10, 11, 12, 12, 12]
    await fail(clocked, under_way.pop())
    assert (await look(clocked)).due == (), "eleven are under way, and four may be"
    for due in under_way:
        await finish(clocked, due, Ending("released"), SCHEDULE.span_s)
    assert len((await look(clocked)).due) == 4


async def test_receivers_of_a_user_without_room_wait_unseen_and_each_gets_its_turn(clocked: ClockedStore) -> None:
    await open_default(clocked, SECRETS, USER)
    for n in range(130):
        await say(clocked, "job.succeeded", f"job_{n}", receiver=f"{n:016x}")
    while await dispatch(clocked):
        pass
    under_way = list((await look(clocked)).due)
    assert len(under_way) == 16
    while (found := await look(clocked)).next_due_s == 0:
        assert found.due == ()
    assert found.next_due_s == LEASE_S, "nobody is looked at before something ends"
    seen = {due.about for due in under_way}
    for _ in range(130):
        if under_way:
            await finish(clocked, under_way.pop(0), Ending("delivered", status=200), SCHEDULE.span_s)
        under_way += (await look(clocked)).due
        assert len(under_way) <= 16
        seen |= {due.about for due in under_way}
    assert len(seen) == 130
    for left in ("receiverqueue", "receiverflight", "parked"):
        assert await clocked.call("KEYS", f"arqade:{left}*") == []


async def test_receivers_that_waited_come_back_when_leases_are_lost(clocked: ClockedStore) -> None:
    hooks = [await endpoint(clocked) for _ in range(6)]
    sent = {(await send_ping(clocked, USER, hook.id)).id for hook in hooks for _ in range(4)}
    assert len((await look(clocked)).due) == 16
    assert (await look(clocked)).due == ()
    await clocked.pass_time(int(LEASE_S * 1000))
    arrived = set[str]()
    for count in (16, 8):
        again = (await look(clocked)).due
        assert len(again) == count
        for due in again:
            await finish(clocked, due, Ending("delivered", status=200), SCHEDULE.span_s)
            arrived.add(due.id)
    assert arrived == sent


async def test_what_we_could_not_make_is_tried_again_and_its_receiver_is_not_to_blame(clocked: ClockedStore) -> None:
    hook = await endpoint(clocked)
    sent = await send_ping(clocked, USER, hook.id)
    for _ in SCHEDULE.pauses_s:
        due = await one(clocked)
        wait_s = SCHEDULE.wait_s(due.tries)
        outcome = await finish(clocked, due, Ending("unmade", wait_s, error="internal"), SCHEDULE.span_s)
        assert outcome == ("retried" if wait_s else "failed")
        await clocked.pass_time(int((wait_s or 0) * 1000))
    delivery = await load_delivery(clocked, hook.id, sent.id)
    assert (delivery.status, {attempt.error for attempt in delivery.attempts}) == ("failed", {"internal"})
    found = await load_endpoint(clocked, USER, hook.id)
    assert (found.disabled, found.failing_since_ms) == (None, None)


async def test_what_waits_for_us_is_not_taken_again_at_once(clocked: ClockedStore) -> None:
    hook = await endpoint(clocked)
    await send_ping(clocked, USER, hook.id)
    await finish(clocked, await one(clocked), Ending("released", 1.0), SCHEDULE.span_s)
    assert await look(clocked) == Taken((), 1.0)
    await clocked.pass_time(1_000)
    assert (await one(clocked)).tries == 1


async def test_the_ailing_get_one_at_a_time_and_no_slot_of_the_well(clocked: ClockedStore) -> None:
    ailing, well = await endpoint(clocked), await endpoint(clocked)
    for _ in range(8):
        await send_ping(clocked, USER, ailing.id)
    for due in (await look(clocked)).due:
        await fail(clocked, due)
    await send_ping(clocked, USER, well.id)
    assert [due.endpoint_id for due in (await look(clocked, ailing=0)).due] == [well.id]
    assert [due.endpoint_id for due in (await look(clocked)).due] == [ailing.id]


async def test_a_full_queue_drops_what_comes_and_counts_it(clocked: ClockedStore) -> None:
    hook = await endpoint(clocked)
    words = [word for n in range(100_000) for word in (START_MS * 2, f"msg_{n}")]
    for start in range(0, len(words), 20_000):
        await clocked.call("ZADD", clocked.keys.receiver_queue + hook.id, *words[start : start + 20_000])
    await say(clocked, "job.succeeded")
    assert await dispatch(clocked) == 1
    assert (await load_endpoint(clocked, USER, hook.id)).dropped == 1
    assert (await count_waiting(clocked)).entries == 0


async def test_a_log_keeps_what_is_pending_and_a_thousand_that_ended(clocked: ClockedStore) -> None:
    hook = await endpoint(clocked)
    keys = clocked.keys
    old = [f"msg_{n:026d}" for n in range(1_000)]
    for n, delivery_id in enumerate(old):
        await clocked.call("ZADD", keys.deliveries + hook.id, 0, delivery_id)
        await clocked.call("ZADD", keys.delivered + hook.id, START_MS - 2_000 + n, delivery_id)
    sent = await send_ping(clocked, USER, hook.id)
    await finish(clocked, await one(clocked), Ending("delivered", status=200), SCHEDULE.span_s)
    assert await clocked.call("ZCARD", keys.deliveries + hook.id) == 1_000
    assert await clocked.call("ZSCORE", keys.deliveries + hook.id, old[0]) is None
    assert (await load_delivery(clocked, hook.id, sent.id)).status == "delivered"


async def test_a_disabled_endpoint_keeps_what_is_pending_and_goes_on_when_enabled(clocked: ClockedStore) -> None:
    hook = await endpoint(clocked)
    sent = await send_ping(clocked, USER, hook.id)
    await update_endpoint(clocked, SECRETS, USER, hook.id, enabled=False, changes={})
    assert (await look(clocked)).due == ()
    await update_endpoint(clocked, SECRETS, USER, hook.id, enabled=True, changes={})
    assert (await one(clocked)).id == sent.id


async def test_redelivery_starts_the_schedule_anew_under_the_same_id(clocked: ClockedStore) -> None:
    hook = await endpoint(clocked)
    sent = await send_ping(clocked, USER, hook.id)
    await finish(clocked, await one(clocked), Ending("delivered", status=200), SCHEDULE.span_s)
    await redeliver(clocked, USER, hook.id, sent.id)
    again = await one(clocked)
    assert (again.id, again.tries) == (sent.id, 1)
    assert (await redeliver(clocked, USER, hook.id, sent.id)).status == "pending"  # under way: nothing is doubled
    assert (await look(clocked)).due == ()


async def test_the_former_secret_counts_for_a_day(clocked: ClockedStore) -> None:
    hook = await endpoint(clocked)
    rotated = await rotate_secret(clocked, SECRETS, USER, hook.id)
    assert rotated.secrets_at(clocked.now_ms) == (rotated.secret, hook.secret)
    assert rotated.secrets_at(clocked.now_ms + 86_400_000) == (rotated.secret,)


async def test_nothing_is_left_of_what_is_deleted_or_erased(clocked: ClockedStore) -> None:
    hooks = [await endpoint(clocked, token="hush") for _ in range(3)]
    for hook in hooks:
        for _ in range(5):
            await send_ping(clocked, USER, hook.id)
    await open_default(clocked, SECRETS, USER)
    await say(clocked, "job.succeeded", receiver="0123456789abcdef")
    await dispatch(clocked)
    under_way = (await look(clocked)).due
    await finish(clocked, under_way[0], Ending("delivered", status=200), SCHEDULE.span_s)
    await delete_endpoint(clocked, USER, hooks[0].id)
    await erase_webhooks(clocked, USER)
    for due in under_way[1:]:
        assert await finish(clocked, due, Ending("delivered", status=200), SCHEDULE.span_s) == "fenced"
    await say(clocked, "job.succeeded", receiver="0123456789abcdef")  # told too late
    await dispatch(clocked)
    left = [key.decode() for key in await clocked.call("KEYS", "arqade:*")]
    assert set(left) <= {"arqade:outbox", "arqade:clock"}, "of a user; these are for all"
