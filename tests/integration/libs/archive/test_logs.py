"""Ledgers, the audit log and the list of admissions, once their old entries are in the archive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from libs.access.users import create_user, update_user
from libs.admission.ledger import differences
from libs.archive.agenda import due_notes
from libs.archive.audit import verify_all
from libs.archive.logs import (
    LOG_KEPT_S,
    Log,
    admissions,
    archive_all_of,
    archive_log,
    audit_log,
    ledger_of,
    read_backwards,
    read_forwards,
)
from libs.archive.records import Records
from libs.artifacts.objects import Objects
from libs.audit.act import Actor
from libs.audit.chain import BrokenChainError, Link
from libs.audit.log import WantedActs, list_acts, read_acts
from libs.errors import Unavailable
from libs.jobs.lifecycle import cancel
from libs.jobs.lookup import Wanted
from libs.jobs.recent import list_recent
from libs.store.client import Store
from tests.fakes.callers import make_caller, submit
from tests.fakes.history import archive_all, keys_naming, run_one

ADA = Actor("usr_ada")
LATER_MS = 2**45


async def fill(store: Store, log: Log, numbers: range) -> None:
    for n in numbers:
        await store.call("XADD", log.key, f"{1_000 + n // 3}-{n % 3}", "n", n, "text", "ä\n")


async def numbers(entries: AsyncIterator[Any]) -> list[int]:
    return [int(words[1]) async for _, words in entries]


@pytest.fixture
def log(store: Store) -> Log:
    return ledger_of(store.keys, "usr_00000000000000000000000001")


async def test_entries_move_once_they_are_old_and_are_read_both_ways(
    store: Store, objects: Objects, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.archive.logs._SEGMENT_ENTRIES_MAX", 4)
    monkeypatch.setattr("libs.archive.logs._READ_AT_ONCE", 2)
    await fill(store, log, range(20))
    assert await archive_all_of(store, objects, log, 1_004) == 12
    assert await store.call("XLEN", log.key) == 8
    assert await numbers(read_forwards(objects, log)) == list(range(12))
    assert await numbers(read_backwards(objects, log, None)) == list(range(11, -1, -1))
    assert await numbers(read_backwards(objects, log, "1002-1")) == list(range(6, -1, -1))
    assert await archive_all_of(store, objects, log, LATER_MS) == 8
    assert await store.call("EXISTS", log.key) == 0
    assert await numbers(read_forwards(objects, log, since_ms=1_005)) == list(range(12, 20))


async def test_a_death_between_storing_and_cutting_tells_nothing_twice(
    store: Store, objects: Objects, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: Any) -> None:
        raise Unavailable("redis")

    await fill(store, log, range(5))
    with monkeypatch.context() as patch:
        patch.setattr(Store, "run", die)
        with pytest.raises(Unavailable):
            await archive_log(store, objects, log, LATER_MS)
    await fill(store, log, range(5, 8))
    assert await archive_log(store, objects, log, LATER_MS) == 8
    assert len(await objects.list(log.folder)) == 2
    assert await numbers(read_forwards(objects, log)) == list(range(8))
    assert await numbers(read_backwards(objects, log, None)) == list(range(7, -1, -1))


async def test_a_segment_is_noted_for_when_it_is_kept_no_longer(store: Store, objects: Objects, log: Log) -> None:
    await fill(store, log, range(2))
    await archive_log(store, objects, log, LATER_MS)
    (segment,) = await objects.list(log.folder)
    assert [note.about async for note in due_notes(objects, LOG_KEPT_S + 3_700)] == [segment.name]
    assert [note async for note in due_notes(objects, LOG_KEPT_S - 3_700)] == []


# The ledger


async def test_the_ledger_still_adds_up_and_a_change_in_the_archive_is_found(store: Store, objects: Objects) -> None:
    user = await create_user(store, "ada@example.com", "internal")
    caller = make_caller(user_id=user.id)
    for _ in range(3):
        await submit(store, caller, units=2)
        await run_one(store, "cpu")
    await archive_all(store, objects)
    waiting = (await submit(store, caller, units=5)).job_id
    await submit(store, caller, units=7)
    assert [one async for one in differences(store, objects)] == []
    assert await cancel(store, user.id, waiting) == "canceled"
    await archive_all(store, objects)
    assert await store.call("EXISTS", store.keys.ledger + user.id) == 0
    assert [one async for one in differences(store, objects)] == []
    await objects.remove((await objects.list(f"{user.id}/archive/ledger/"))[0].name)
    assert {one.what.partition(" on ")[0] for one in [one async for one in differences(store, objects)]} == {
        "units used",
    }


# The audit log


async def some_acts(store: Store, objects: Objects) -> str:
    """Acts 1 to 6, of which the archive has 1 to 5 in two segments, and Redis 5 and 6."""
    user = await create_user(store, "0@example.com", "free", by=ADA)
    log = audit_log(store.keys)
    for n in (1, 2):
        await create_user(store, f"{n}@example.com", "free", by=ADA)
    assert await archive_all_of(store, objects, log, LATER_MS) == 2
    for plan in ("pro", "free"):
        await update_user(store, user.id, plan=plan, by=ADA)
    assert await archive_all_of(store, objects, log, LATER_MS) == 2
    await update_user(store, user.id, plan="internal", by=ADA)
    return user.id


async def test_the_chain_leads_from_the_archive_into_redis(store: Store, objects: Objects) -> None:
    assert await verify_all(store, objects) is None
    await some_acts(store, objects)
    assert [one.number for one in await read_acts(store, limit=9)] == [5, 6]
    chain = await verify_all(store, objects)
    assert chain is not None
    assert (chain.first.number, chain.last.number) == (1, 6)
    fourth = [one async for one in read_forwards(objects, audit_log(store.keys))][3]
    noted = Link(4, dict(zip(fourth[1][::2], fourth[1][1::2], strict=True))[b"hash"].decode())
    assert await verify_all(store, objects, noted) == chain
    with pytest.raises(BrokenChainError, match="entry 4 is not the one that was noted"):
        await verify_all(store, objects, Link(4, "0" * 64))


async def test_pages_of_acts_go_on_into_the_archive(store: Store, objects: Objects) -> None:
    user_id = await some_acts(store, objects)

    def older(before: str | None) -> AsyncIterator[Any]:
        return read_backwards(objects, audit_log(store.keys), before)

    met, before = [], ""
    while True:
        page = await list_acts(store, WantedActs(), limit=2, before=before, older=older)
        met += [one.number for one in page.found]
        if page.before is None:
            break
        before = page.before
    assert met == [6, 5, 4, 3, 2, 1]
    found = await list_acts(store, WantedActs(on=user_id), limit=9, older=older)
    assert [one.number for one in found.found] == [6, 5, 4, 1]


@pytest.mark.parametrize(
    "segment, said",
    [(0, "entries 1 to 2 are missing"), (1, "entry 3, the last in the archive, is missing in Redis")],
)
async def test_a_segment_that_is_gone_shows(store: Store, objects: Objects, segment: int, said: str) -> None:
    await some_acts(store, objects)
    names = [facts.name for facts in await objects.list(audit_log(store.keys).folder)]
    await objects.remove(names[segment])
    with pytest.raises(BrokenChainError, match=said):
        await verify_all(store, objects)


async def test_a_segment_that_was_changed_or_garbled_shows(store: Store, objects: Objects) -> None:
    await some_acts(store, objects)
    names = [facts.name for facts in await objects.list(audit_log(store.keys).folder)]
    whole = await objects.get(names[1], bytes_max=10_000)
    other = await objects.get(names[0], bytes_max=10_000)
    assert whole is not None
    assert other is not None
    await objects.put(names[1], whole[:-9], "application/gzip")
    with pytest.raises(BrokenChainError, match="cannot be read"):
        await verify_all(store, objects)
    await objects.put(names[1], other, "application/gzip")
    with pytest.raises(BrokenChainError):
        await verify_all(store, objects)
    await objects.put(names[1], whole, "application/gzip")
    assert await verify_all(store, objects) is not None


async def test_a_new_log_in_redis_does_not_pass_for_the_one_in_the_archive(store: Store, objects: Objects) -> None:
    await some_acts(store, objects)
    await store.call("DEL", store.keys.audit)
    with pytest.raises(BrokenChainError, match="entry 5, the last in the archive, is missing in Redis"):
        await verify_all(store, objects)
    for n in range(6):
        await create_user(store, f"new{n}@example.com", "free", by=ADA)
    with pytest.raises(BrokenChainError, match="entry 5 is not the one in the archive"):
        await verify_all(store, objects)


# The list of admissions


async def test_the_newest_jobs_of_all_go_on_into_the_archive(store: Store, objects: Objects, records: Records) -> None:
    made = [(await submit(store, make_caller())).job_id for _ in range(5)]
    for job_id in made:
        owner = (await store.call("HGET", store.keys.job + job_id, "user")).decode()
        assert await cancel(store, owner, job_id) == "canceled"
    await archive_all(store, objects)
    assert await keys_naming(store, *made) == set()
    find = records.find_any_job
    older = partial(read_backwards, objects, admissions(store.keys))
    met, before = [], ""
    while True:
        page = await list_recent(store, Wanted(), limit=2, before=before, find=find, older=older)
        met += [job.id for job in page.jobs]
        if page.before is None:
            break
        before = page.before
    assert met == made[::-1]
