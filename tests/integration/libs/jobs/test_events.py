"""One reader of one job, whose subscription is cut at every point of the job's life."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

import pytest

from libs.jobs.events import (
    _REPLAYED_AT_ONCE,
    LAG_BYTES_MAX,
    Event,
    Following,
    SlowReaderError,
    id_before,
    order_of,
)
from libs.store.client import Store
from tests.patience import PATIENCE_S

JOB = "job_1"
WHOLE = ["status", "progress", "progress", "done"]


async def write(store: Store, type_: str) -> Event:
    """As a script tells it: the stream first."""
    event_id = await store.call("XADD", store.keys.events + JOB, "*", "type", type_, "data", "{}")
    return Event(event_id.decode(), type_, b"{}")


async def told(following: Following, after: str = "0-0") -> list[Event]:
    async with asyncio.timeout(PATIENCE_S):
        return [event async for event in following.events(after)]


def without_gaps(events: Sequence[Event]) -> list[str]:
    return [event.type for event in events if event.type != "gap"]


@pytest.mark.parametrize("cuts", [cut for n in range(4) for cut in itertools.combinations(range(5), n)])
async def test_wherever_it_is_cut_each_event_is_told_once_and_nothing_comes_after_the_end(
    store: Store, cuts: tuple[int, ...]
) -> None:
    following = Following(store, JOB)
    events = [await write(store, type_) for type_ in WHOLE]
    for n, event in enumerate([*events, None]):
        if n in cuts:
            following.hand(None)
        if event is not None:
            following.hand(event)
    found = await told(following)
    assert without_gaps(found) == WHOLE
    assert found[-1].type == "done"


@pytest.mark.parametrize("lost", range(len(WHOLE)))
async def test_what_was_published_while_it_was_cut_is_read(store: Store, lost: int) -> None:
    following, reading = Following(store, JOB), None
    for n, type_ in enumerate(WHOLE):
        event = await write(store, type_)
        reading = reading or asyncio.create_task(told(following))
        await asyncio.sleep(0)
        following.hand(None if n == lost else event)
    assert reading is not None
    assert without_gaps(await reading) == WHOLE


async def test_a_clock_that_steps_back_hides_no_event(store: Store) -> None:
    following = Following(store, JOB)
    ids = ["1760000000000-1", "1759996400000-2", "1759996400000-3"]
    for event_id, type_ in zip(ids, ["status", "status", "done"], strict=True):
        following.hand(Event(event_id, type_, b"{}"))
    assert [event.id for event in await told(following)] == ids


async def test_what_its_reader_has_seen_before_is_told_to_others_only(store: Store) -> None:
    first, second = await write(store, "status"), await write(store, "done")
    following = Following(store, JOB)
    following.hand(first)  # heard late
    assert [event.id for event in await told(following, first.id)] == [second.id]


@pytest.mark.parametrize("given, before", [("5-3", "5-2"), ("5-0", f"4-{2**64 - 1}"), ("0-0", "0-0")])
def test_the_id_before_another(given: str, before: str) -> None:
    assert id_before(given) == before
    assert order_of(before) <= order_of(given)


async def test_a_long_history_is_read_a_part_at_a_time_and_told_whole(store: Store) -> None:
    written = [await write(store, "progress") for _ in range(2 * _REPLAYED_AT_ONCE)]
    written.append(await write(store, "done"))
    assert await told(Following(store, JOB)) == written
    assert await told(Following(store, JOB), written[_REPLAYED_AT_ONCE].id) == written[_REPLAYED_AT_ONCE + 1 :]


async def test_a_reader_that_lags_by_too_many_bytes_is_cut_off_and_one_large_event_is_told(store: Store) -> None:
    large = [Event(f"1760000000000-{n}", "preview", bytes(LAG_BYTES_MAX // 2 + 1)) for n in range(3)]
    following = Following(store, JOB)
    following.hand(large[0])
    events = following.events("0-0")
    assert await anext(events) == large[0]
    following.hand(large[1])
    assert await anext(events) == large[1]
    following.hand(large[1])
    following.hand(large[2])
    with pytest.raises(SlowReaderError):
        await anext(events)
    following = Following(store, JOB)
    following.hand(Event("1760000000000-0", "preview", bytes(2 * LAG_BYTES_MAX)))
    assert len((await anext(following.events("0-0"))).data) == 2 * LAG_BYTES_MAX


async def test_a_preview_that_is_heard_behind_what_came_after_it_is_not_told(store: Store) -> None:
    begun = await write(store, "status")
    following = Following(store, JOB)
    following.hand(Event(id_before(begun.id), "preview", b"{}"))
    following.hand(await write(store, "done"))
    assert without_gaps(await told(following)) == ["status", "done"]
