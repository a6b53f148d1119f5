"""What is announced is what can be stored: against the embedded object store, and the strict one.

Where a store checks nothing, the same is written past the URL, and whoever looks afterwards finds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from libs.artifacts.announce import create_upload
from libs.artifacts.looks import look_at_uploads
from libs.artifacts.multipart import part_bytes_of
from libs.artifacts.objects import Objects
from libs.artifacts.storage import stored_bytes
from libs.artifacts.uploads import Upload, discard_upload, expire_uploads, open_upload
from libs.errors import Refusal
from libs.ids import new_id
from libs.store.client import Store
from tests.conftest import S3Server
from tests.fakes.upload_desk import BYTES_MAX, NOT_AS_SIGNED, Desk, put, put_status
from tests.patience import PATIENCE_S

LINE = b'{"image_url": "https://example.com/a.png"}\n'
DATA = LINE * (9 * 2**20 // len(LINE))
PART = part_bytes_of(len(DATA))
MANY = 3 * 2**20


@pytest.fixture
async def objects(each_s3: S3Server) -> AsyncIterator[Objects]:
    opened = Objects(each_s3.endpoint, each_s3.access_key, each_s3.secret_key, each_s3.bucket)
    await opened.open()
    yield opened
    opened.close()


@pytest.fixture
def desk(store: Store, objects: Objects) -> Desk:
    return Desk(store, objects, new_id("user"))


async def announce_parts(desk: Desk) -> tuple[Upload, tuple[str, ...]]:
    return await create_upload(
        desk.store,
        desk.objects,
        desk.user_id,
        filename="items.jsonl",
        content_type="application/jsonl",
        size_bytes=len(DATA),
        url_ttl_s=60,
        bytes_max=2**30,
        in_parts=True,
    )


async def listed(desk: Desk) -> list[int]:
    """The sizes of everything that lies in the bucket for this user."""
    return [facts.size_bytes for facts in await desk.objects.list(f"{desk.user_id}/")]


# What a URL takes


async def test_a_url_takes_what_was_announced_and_nothing_else(desk: Desk, png: bytes) -> None:
    upload, url = await desk.create(len(png))
    assert await put_status(url, bytes(MANY)) in NOT_AS_SIGNED
    assert await put_status(url, png[:-1]) in NOT_AS_SIGNED
    assert await put_status(url, png, "text/html") in NOT_AS_SIGNED
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        assert (await client.put(url, content=png)).status_code == 403, "without the type"
        chunked = client.put(url, content=_pieces(png), headers={"Content-Type": "image/png"})
        assert (await chunked).status_code in {403, 411}, "without a length"
    assert await listed(desk) == []
    await put(url, png)
    assert (await desk.complete(upload)).status == "completed"


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_a_part_takes_its_own_size_and_nothing_else(desk: Desk) -> None:
    upload, urls = await announce_parts(desk)
    kind = "application/jsonl"
    assert await put_status(urls[1], bytes(MANY), kind) in NOT_AS_SIGNED
    assert await put_status(urls[1], DATA[PART:] + b"\n", kind) in NOT_AS_SIGNED
    assert await put_status(urls[1], DATA[PART:], "text/html") in NOT_AS_SIGNED
    assert await desk.objects.list_parts(upload.arrival_name, upload.multipart or "") == ()
    await put(urls[0], DATA[:PART], kind)
    await put(urls[1], DATA[PART:], kind)
    assert (await desk.complete(upload)).status == "completed"
    opened = await open_upload(desk.store, desk.objects, desk.user_id, upload.id, bytes_max=len(DATA))
    assert opened.data == DATA


# What stays of it


async def test_what_was_completed_is_kept_where_no_url_writes(desk: Desk, png: bytes) -> None:
    upload, url = await desk.send(png)
    completed = await desk.complete(upload)
    assert completed.object_name != upload.arrival_name
    assert await listed(desk) == [len(png)]
    await put(url, png[:-1] + b"!")
    opened = await open_upload(desk.store, desk.objects, desk.user_id, upload.id, BYTES_MAX)
    assert opened.data == png
    strays = await desk.look()
    assert (dict(strays.objects), dict(strays.bytes)) == ({"late": 1}, {"late": len(png)})
    assert await listed(desk) == [len(png)]
    assert (await desk.look()).objects == {}


async def test_late_parts_change_nothing_of_what_was_completed(desk: Desk) -> None:
    upload, urls = await announce_parts(desk)
    for url, part in zip(urls, (DATA[:PART], DATA[PART:]), strict=True):
        await put(url, part, "application/jsonl")
    await desk.complete(upload)
    await put_status(urls[1], b"x" * (len(DATA) - PART), "application/jsonl")
    opened = await open_upload(desk.store, desk.objects, desk.user_id, upload.id, bytes_max=len(DATA))
    assert opened.data == DATA
    assert await listed(desk) == [len(DATA)]


async def test_what_is_sent_after_it_was_discarded_goes_within_a_minute(desk: Desk, png: bytes) -> None:
    upload, url = await desk.create(len(png))
    await discard_upload(desk.store, desk.objects, desk.user_id, upload.id)
    await put(url, png)
    assert (await desk.look()).objects == {"late": 1}
    assert await listed(desk) == []
    assert await stored_bytes(desk.store, desk.user_id) == 0


async def test_more_than_was_announced_is_found_before_anybody_completes_it(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    upload, _ = await desk.send(bytes(MANY), size=1)
    strays = await desk.look()
    assert dict(strays.bytes) == {"oversize": MANY}
    assert (await desk.load(upload)).status == "refused"
    assert await listed(desk) == []
    assert await stored_bytes(desk.store, desk.user_id) == 0
    assert "does not check what its URLs were signed for" in caplog.text
    with pytest.raises(Refusal, match=f"1 bytes were declared and {MANY} arrived"):
        await desk.complete(upload)


async def test_more_than_was_announced_is_not_even_copied_when_it_is_completed(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    upload, _ = await desk.send(bytes(MANY), size=1)
    with pytest.raises(Refusal, match=f"1 bytes were declared and {MANY} arrived"):
        await desk.complete(upload)
    assert await listed(desk) == []
    assert "does not check what its URLs were signed for" in caplog.text


async def test_parts_of_more_than_was_announced_are_found_and_given_up(desk: Desk) -> None:
    upload, _ = await announce_parts(desk)
    large = desk.objects.presigned_part(
        upload.arrival_name, upload.multipart or "", 2, 60, content_type=upload.content_type, size_bytes=len(DATA) + 1
    )
    await put(large, DATA + b"\n", upload.content_type)
    strays = await desk.look()
    assert dict(strays.bytes) == {"parts": len(DATA) + 1}
    assert (await desk.load(upload)).status == "refused"
    assert await desk.objects.list_parts(upload.arrival_name, upload.multipart or "") is None
    assert await stored_bytes(desk.store, desk.user_id) == 0


async def test_parts_that_are_never_completed_are_given_up_with_the_upload(desk: Desk) -> None:
    upload, urls = await announce_parts(desk)
    await put(urls[0], DATA[:PART], upload.content_type)
    assert (await desk.look()).objects == {}, "it may still be completed"
    await desk.lapse(upload)
    await expire_uploads(desk.store, desk.objects)
    assert await desk.objects.list_parts(upload.arrival_name, upload.multipart or "") is None
    assert await stored_bytes(desk.store, desk.user_id) == 0


async def test_a_copy_that_somebody_died_over_goes_and_one_that_is_being_made_stays(desk: Desk, png: bytes) -> None:
    upload, _ = await desk.send(png)
    await desk.objects.copy(upload.arrival_name, f"{upload.prefix}kept-0123456789abcdef")
    record = desk.store.keys.upload + upload.id
    await desk.store.call("HSET", record, "completing", "x", "completing_until", "0")
    assert (await desk.look()).objects == {}
    await desk.store.call("HDEL", record, "completing", "completing_until")
    assert (await desk.look()).objects == {"copy": 1}
    assert (await desk.complete(upload)).status == "completed"
    assert await listed(desk) == [len(png)]


async def test_looks_end_when_the_url_has_lapsed(desk: Desk, png: bytes) -> None:
    upload, _ = await desk.send(png)
    assert await desk.store.call("ZSCORE", desk.store.keys.uploads_watched, upload.id)
    await desk.store.call("HSET", desk.store.keys.upload + upload.id, "url_until", "1")
    await desk.look()
    assert not await desk.store.call("EXISTS", desk.store.keys.uploads_watched)


# Together


async def test_many_who_complete_one_upload_have_it_read_once(desk: Desk, png: bytes) -> None:
    upload, _ = await desk.send(png)
    copied: list[str] = []
    copy = desk.objects.copy

    async def counting(name: str, target: str) -> bool:
        copied.append(target)
        return await copy(name, target)

    desk.objects.copy = counting  # type: ignore[method-assign]
    completed = await asyncio.gather(*(desk.complete(upload) for _ in range(30)))
    assert len(set(completed)) == len(copied) == 1
    assert await listed(desk) == [len(png)]


async def test_who_waits_for_too_long_is_told_to_ask_again(
    desk: Desk, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, _ = await desk.send(png)
    monkeypatch.setattr("libs.artifacts.completing._WAIT_S_MAX", 0)
    record = desk.store.keys.upload + upload.id
    now_ms = int((await desk.store.call("TIME"))[0]) * 1_000
    await desk.store.call("HSET", record, "completing", "another", "completing_until", now_ms + 20_000)
    with pytest.raises(Refusal, match="being completed by another") as refusal:
        await desk.complete(upload)
    assert refusal.value.code == "conflict"
    for over in (now_ms - 1, now_ms + 3_600_000):  # its holder died, or wrote it by a clock that stepped back since
        await desk.store.call("HSET", record, "completing", "another", "completing_until", over)
        assert (await desk.complete(upload)).status == "completed"
        await desk.store.call("HSET", record, "status", "pending")
        await desk.objects.put(upload.arrival_name, png, "image/png")


async def test_a_look_that_lies_too_far_ahead_is_due(desk: Desk, png: bytes) -> None:
    """The clock of Redis stepped back since it was noted."""
    upload, _ = await desk.send(png, size=1)
    now_ms = int((await desk.store.call("TIME"))[0]) * 1_000
    await desk.store.call("ZADD", desk.store.keys.uploads_watched, now_ms + 3_600_000, upload.id)
    assert (await look_at_uploads(desk.store, desk.objects)).objects == {"oversize": 1}
