"""The end of retention, and objects that nothing refers to."""

from __future__ import annotations

import time
from typing import Any

import pytest

from libs.access.users import create_user
from libs.archive.agenda import AGENDA, write_note
from libs.archive.expiry import expire_archived
from libs.archive.place import Place
from libs.archive.records import Records
from libs.archive.walk import GRACE_S, walk_on
from libs.artifacts.names import artifact_name, attempt_prefix, upload_name
from libs.artifacts.objects import Objects
from libs.errors import Unavailable
from libs.ids import new_id
from libs.jobs.lookup import Wanted
from libs.store.client import Store
from tests.fakes.callers import make_caller, submit
from tests.fakes.hands import end, start
from tests.fakes.history import archive_all, make_artifact

DAY_S = 86_400
WEEK_S = 7 * DAY_S


async def names(objects: Objects, prefix: str = "") -> list[str]:
    return [facts.name for facts in await objects.list(prefix)]


async def a_life(store: Store, objects: Objects, user_id: str, retention_s: int = WEEK_S) -> list[str]:
    """A job with an artifact, and one whose first attempt left a file that no manifest names; their ids."""
    caller = make_caller(user_id=user_id, retention_s=retention_s)
    await submit(store, caller, queue="gpu")
    first = await make_artifact(store, objects)
    await submit(store, caller, queue="gpu")
    lost = await start(store)
    await end(store, lost, "retry")
    second = await make_artifact(store, objects)
    await archive_all(store, objects)
    prefix = attempt_prefix(user_id, lost.job_id, lost.created_at_ms, lost.attempt)
    await objects.put(artifact_name(prefix, 0, "0" * 64, "png"), b"stored late", "image/png")
    return [first, second]


async def test_nothing_goes_before_its_time_and_all_of_it_then(
    store: Store, objects: Objects, records: Records, user_id: str
) -> None:
    ids = await a_life(store, objects, user_id)
    others = await a_life(store, objects, new_id("usr"), 2 * WEEK_S)
    before = await names(objects)
    assert await expire_archived(objects, time.time() + WEEK_S - 60) == 0
    assert await names(objects) == before
    assert (await records.load_job(user_id, ids[0])).artifacts
    assert await expire_archived(objects, time.time() + WEEK_S + 7_200) == 1
    left = await names(objects)
    assert [name for name in left if user_id in name and "/archive/ledger/" not in name] == []
    assert [name for name in before if name not in left and user_id not in name and not name.startswith(AGENDA)] == []
    assert await records.find_job(user_id, ids[0]) is None
    assert len(others) == 2
    assert await expire_archived(objects, time.time() + WEEK_S + 7_200) == 0


async def test_a_job_past_its_retention_is_not_shown_while_its_segment_is_still_there(
    store: Store, objects: Objects, records: Records, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job_id, _) = await a_life(store, objects, user_id)
    late_ns = time.time_ns() + (WEEK_S + 1) * 1_000_000_000
    monkeypatch.setattr("libs.archive.shelf.time.time_ns", lambda: late_ns)
    assert await records.find_job(user_id, job_id) is None
    assert (await records.list_jobs(user_id, Wanted(), limit=10)).jobs == ()


@pytest.mark.parametrize("nth", range(1, 6))
async def test_a_death_at_any_step_of_it_is_made_good_by_the_next_sweep(
    store: Store, objects: Objects, user_id: str, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    await a_life(store, objects, user_id)
    calls = 0

    def dying(call: Any) -> Any:
        async def wrapped(self: Any, *words: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == nth:
                raise Unavailable("objects")
            return await call(self, *words)

        return wrapped

    with monkeypatch.context() as patch:
        for name in ("remove", "remove_each", "remove_all"):
            patch.setattr(Objects, name, dying(getattr(Objects, name)))
        with pytest.raises(Unavailable):
            await expire_archived(objects, time.time() + WEEK_S + 7_200)
    await expire_archived(objects, time.time() + WEEK_S + 7_200)
    assert [name for name in await names(objects) if "/archive/ledger/" not in name and user_id in name] == []


async def test_a_garbled_segment_and_a_false_note_hold_nobody_up(store: Store, objects: Objects, user_id: str) -> None:
    await a_life(store, objects, user_id)
    (segment,) = await names(objects, f"{user_id}/archive/jobs/")
    await objects.put(segment, b"garbage", "application/gzip")
    await write_note(objects, f"{new_id('usr')}/2026/11/25/precious.png", 1_000)
    await objects.put(f"{AGENDA}0000", b"\xff", "text/plain")
    assert await expire_archived(objects, time.time() + WEEK_S + 7_200) >= 2
    assert await names(objects, f"{user_id}/archive/jobs/") == []


# The walk


async def test_the_walk_removes_old_objects_that_nothing_refers_to_and_nothing_else(
    store: Store, objects: Objects, records: Records
) -> None:
    user, stranger = await create_user(store, "ada@example.com", "free"), new_id("usr")
    kept = await a_life(store, objects, user.id)
    caller = make_caller(user_id=user.id)
    await submit(store, caller, queue="gpu")
    await make_artifact(store, objects)
    gone, upload = new_id("job"), new_id("upload")
    orphans = [
        artifact_name(attempt_prefix(user.id, gone, 1, 1), 0, "0" * 64, "png"),
        upload_name(user.id, upload, 1),
    ]
    of_strangers = [artifact_name(attempt_prefix(stranger, gone, 1, 1), 0, "0" * 64, "png"), "somebody/elses/file"]
    odd = [f"{user.id}/1970/01/01/thing_1/x.png", f"{user.id}/notes.txt"]
    for name in (*orphans, *of_strangers, *odd):
        await objects.put(name, b"x", "image/png")
    before = await names(objects)
    assert await walk(store, objects, time.time() + GRACE_S - 60) == 0
    assert await names(objects) == before
    await store.call("DEL", store.keys.walk)
    assert await walk(store, objects, time.time() + GRACE_S + 60) == 2
    assert [name for name in before if name not in await names(objects)] == sorted(orphans)
    assert (await records.load_job(user.id, kept[0])).artifacts


async def test_the_walk_goes_on_where_it_was_and_rests_at_its_end(
    store: Store, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.archive.walk._PAGE", 2)
    user = await create_user(store, "ada@example.com", "free")
    for n in range(5):
        await objects.put(upload_name(user.id, new_id("upload"), n), b"x", "image/png")
    late = time.time() + GRACE_S + 60
    assert [await walk_on(store, objects, late) for _ in range(5)] == [2, 2, 1, 0, 0]
    await objects.put(upload_name(user.id, new_id("upload"), 0), b"x", "image/png")
    assert await walk_on(store, objects, late + 3_600) == 0
    assert [await walk_on(store, objects, late + 7 * 3_600) for _ in range(2)] == [1, 0]


async def walk(store: Store, objects: Objects, now_s: float) -> int:
    removed = 0
    while not await store.call("HEXISTS", store.keys.walk, "rests_until"):
        removed += await walk_on(store, objects, now_s)
    return removed


@pytest.mark.parametrize(
    "name",
    ["usr_x/2026/11/25/job_01jd3f8x5e0000000000000000/attempt-1/0.png", "archive/audit/1.gz", "doctor/x", "usr_/", ""],
)
def test_a_name_that_means_something_else_is_nobodys(name: str) -> None:
    assert Place.named(name) is None
