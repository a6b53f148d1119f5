"""The anchor of the audit log: a log that was shortened is found, whatever is done to its anchor."""

from __future__ import annotations

import logging

import pytest

from libs.access.users import create_user
from libs.archive.anchor import Anchors
from libs.archive.logs import archive_all_of, audit_log
from libs.artifacts.objects import Objects
from libs.audit.act import Actor
from libs.audit.chain import BrokenChainError
from libs.store.client import Store

ADA = Actor("usr_ada")
PEPPER, FORMER = b"a pepper of the present", b"a pepper of the past"
NAME = "archive/audit-anchor/head.json"
LATER_MS = 2**45


@pytest.fixture
def anchors(store: Store, objects: Objects) -> Anchors:
    return Anchors(store, objects, [PEPPER])


async def act(store: Store, count: int = 3) -> None:
    for _ in range(count):
        number = await store.call("XLEN", store.keys.audit)
        await create_user(store, f"{number}-{await store.call('INCR', 'test:n')}@example.com", "free", by=ADA)


async def cut_tail(store: Store, count: int = 1) -> None:
    for entry_id, _ in await store.call("XREVRANGE", store.keys.audit, "+", "-", "COUNT", count):
        await store.call("XDEL", store.keys.audit, entry_id)


async def broken(anchors: Anchors) -> str:
    with pytest.raises(BrokenChainError) as error:
        await anchors.verify()
    return str(error.value)


async def anchored_at(anchors: Anchors) -> int:
    _, anchor = await anchors.verify()
    assert anchor is not None
    return anchor.link.number


async def test_it_stands_at_the_newest_entry(store: Store, anchors: Anchors) -> None:
    await anchors.keep()
    assert await anchors.load() is None, "there is nothing to anchor"
    for count in (3, 6):
        await act(store)
        await anchors.keep()
        assert await anchored_at(anchors) == count


async def test_a_tail_that_was_cut_off_in_redis_is_found_and_not_anchored(
    store: Store, objects: Objects, anchors: Anchors, caplog: pytest.LogCaptureFixture
) -> None:
    await act(store)
    await anchors.keep()
    await cut_tail(store)
    assert await broken(anchors) == "entry 3 is gone, which was anchored"
    for again in (anchors, Anchors(store, objects, [PEPPER])):
        with caplog.at_level(logging.ERROR):
            await again.keep()
            await again.keep()
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == [
        "entry 3 is gone, which was anchored"
    ] * 2, "each process says it once"
    await act(store, 1)
    await anchors.keep()
    assert await broken(anchors) == "entry 3 is not the one that was anchored"


async def test_a_new_redis_beside_an_old_bucket_is_warned_of_and_anchors_nothing(
    store: Store, objects: Objects, anchors: Anchors, caplog: pytest.LogCaptureFixture
) -> None:
    await act(store)
    await anchors.keep()
    await store.call("DEL", store.keys.audit, store.keys.audit_anchor)
    await act(store, 1)
    with caplog.at_level(logging.WARNING):
        await Anchors(store, objects, [PEPPER]).keep()
    assert [record.levelname for record in caplog.records if record.name == "libs.archive.anchor"] == ["WARNING"]
    assert await broken(anchors) == "entry 3 is gone, which was anchored"


async def test_a_whole_log_that_was_removed_is_found(store: Store, anchors: Anchors) -> None:
    await act(store)
    await anchors.keep()
    await store.call("DEL", store.keys.audit)
    assert await broken(anchors) == "entry 3 is gone, which was anchored"


async def test_segments_that_were_cut_off_in_the_archive_are_found(
    store: Store, objects: Objects, anchors: Anchors
) -> None:
    for _ in range(2):
        await act(store)
        await archive_all_of(store, objects, audit_log(store.keys), LATER_MS)
    await anchors.keep()
    assert await anchored_at(anchors) == 6
    first, last = [facts.name for facts in await objects.list("archive/audit/")]
    await store.call("DEL", store.keys.audit)
    await objects.remove(last)
    assert "missing in Redis" in await broken(anchors)
    await objects.remove(first)
    assert await broken(anchors) == "entry 6 is gone, which was anchored"


async def test_an_anchor_that_was_removed_is_found(store: Store, objects: Objects, anchors: Anchors) -> None:
    await act(store)
    await anchors.keep()
    await objects.remove(NAME)
    assert await broken(anchors) == "its anchor in the archive is gone"
    await store.call("DEL", store.keys.audit_anchor)
    assert await anchors.verify() != (None, None), "as if no worker had been there yet"


async def test_a_log_that_is_old_and_has_no_anchor_is_said_to_have_none(
    store: Store, anchors: Anchors, monkeypatch: pytest.MonkeyPatch
) -> None:
    await act(store)
    chain, anchor = await anchors.verify()
    assert (chain is not None, anchor) == (True, None), "a worker comes by within minutes"
    monkeypatch.setattr("libs.archive.anchor.ANCHORED_WITHIN_S", -1)
    assert (await broken(anchors)).startswith("nothing anchors it, though it is old")


async def test_an_older_anchor_in_its_place_is_found(store: Store, objects: Objects, anchors: Anchors) -> None:
    await act(store)
    await anchors.keep()
    older = await objects.get(NAME, bytes_max=4_096)
    assert older is not None
    await act(store)
    await anchors.keep()
    await objects.put(NAME, older, "application/json")
    await cut_tail(store, 3)
    assert await broken(anchors) == "its anchor in the archive is an older one than there was"
    await store.call("SET", store.keys.audit_anchor, older)
    assert await anchored_at(anchors) == 3, "who writes to both is found by a noted hash alone"


@pytest.mark.parametrize("garbled", [b"", b"{}", b"[]", b'{"serial":9,"n":2,"hash":"","entry":"1-1","digest":"00"}'])
async def test_an_anchor_that_nobody_signed_is_none(
    store: Store, objects: Objects, anchors: Anchors, garbled: bytes
) -> None:
    await act(store)
    await anchors.keep()
    await objects.put(NAME, garbled, "application/json")
    assert (await broken(anchors)).startswith("its anchor in the archive is none of ours")


async def test_a_former_pepper_is_believed_and_another_is_not(store: Store, objects: Objects) -> None:
    await act(store)
    await Anchors(store, objects, [FORMER]).keep()
    assert await anchored_at(Anchors(store, objects, [PEPPER, FORMER])) == 3
    assert "none of ours" in await broken(Anchors(store, objects, [PEPPER]))


async def test_it_is_found_in_the_archive_when_redis_has_moved_on(
    store: Store, objects: Objects, anchors: Anchors
) -> None:
    await act(store)
    await anchors.keep()
    await act(store)
    await archive_all_of(store, objects, audit_log(store.keys), LATER_MS)
    await Anchors(store, objects, [PEPPER]).keep()
    assert await anchored_at(anchors) == 6


async def test_what_a_restore_has_lost_is_anchored_when_somebody_says_so(
    store: Store, objects: Objects, anchors: Anchors
) -> None:
    await act(store, 6)
    await anchors.keep()
    await cut_tail(store, 2)
    assert "anchored" in await broken(anchors)
    renewed = await anchors.renew()
    assert renewed is not None
    assert (renewed.serial, renewed.link.number) == (2, 4)
    await act(store)
    await Anchors(store, objects, [PEPPER]).keep()
    assert await anchored_at(anchors) == 7
