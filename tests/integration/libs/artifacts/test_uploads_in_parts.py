"""Uploads in parts: put together when all is there, given up when it is not, and no way in afterwards."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from libs.artifacts.announce import create_upload
from libs.artifacts.multipart import part_bytes_of
from libs.artifacts.objects import Objects
from libs.artifacts.storage import stored_bytes
from libs.artifacts.uploads import Upload, discard_upload, expire_uploads, open_upload
from libs.errors import Refusal, Unavailable
from libs.limits import SINGLE_PUT_BYTES_MAX
from tests.fakes.upload_desk import LEADS_NOWHERE, Desk, put_status

LINE = b'{"image_url": "https://example.com/a.png"}\n'
DATA = LINE * (9 * 2**20 // len(LINE))
PART = part_bytes_of(len(DATA))
PARTS = (DATA[:PART], DATA[PART:])


async def announce(desk: Desk, size: int = len(DATA)) -> tuple[Upload, tuple[str, ...]]:
    return await create_upload(
        desk.store,
        desk.objects,
        desk.user_id,
        filename="items.jsonl",
        content_type="application/jsonl",
        size_bytes=size,
        url_ttl_s=60,
        bytes_max=2**40,
        in_parts=True,
    )


async def put(url: str, data: bytes) -> int:
    return await put_status(url, data, "application/jsonl")


async def smuggle(desk: Desk, upload: Upload, number: int, data: bytes) -> None:
    """Send another part than was announced, as a store that checks nothing takes it."""
    url = desk.objects.presigned_part(
        upload.arrival_name,
        upload.multipart or "",
        number,
        60,
        content_type=upload.content_type,
        size_bytes=len(data),
    )
    assert await put(url, data) == 200


async def test_what_is_sent_in_parts_is_one_file_in_the_end(desk: Desk) -> None:
    upload, urls = await announce(desk)
    for url, part in reversed(list(zip(urls, PARTS, strict=True))):
        assert await put(url, part) == 200
    completed = await desk.complete(upload)
    assert (completed.status, completed.sha256) == ("completed", hashlib.sha256(DATA).hexdigest())
    opened = await open_upload(desk.store, desk.objects, desk.user_id, upload.id, bytes_max=len(DATA))
    assert opened.data == DATA


async def test_a_part_that_is_missing_can_be_sent_later_and_a_part_again(desk: Desk) -> None:
    upload, urls = await announce(desk)
    with pytest.raises(Refusal, match=f"0 of {len(DATA)} bytes"):
        await desk.complete(upload)
    await smuggle(desk, upload, 2, b"not this")
    with pytest.raises(Refusal, match="conflict: 8 of"):
        await desk.complete(upload)
    await put(urls[1], PARTS[1])
    await put(urls[0], PARTS[0])
    assert (await desk.complete(upload)).status == "completed"


async def test_completing_from_many_sides_at_once_settles_it_once(desk: Desk) -> None:
    upload, urls = await announce(desk)
    for url, part in zip(urls, PARTS, strict=True):
        await put(url, part)
    outcomes = await asyncio.gather(*[desk.complete(upload) for _ in range(5)], return_exceptions=True)
    assert {getattr(one, "status", str(one)) for one in outcomes if not isinstance(one, Refusal)} == {"completed"}
    assert (await desk.complete(upload)).status == "completed"


async def test_who_died_between_the_object_and_the_record_is_completed_by_the_next(desk: Desk) -> None:
    upload, urls = await announce(desk)
    for url, part in zip(urls, PARTS, strict=True):
        await put(url, part)
    assert upload.multipart is not None
    assert await desk.objects.put_together(upload.arrival_name, upload.multipart, len(DATA))
    assert (await desk.complete(upload)).status == "completed"


async def test_the_urls_of_the_parts_lead_nowhere_once_it_is_complete(desk: Desk) -> None:
    upload, urls = await announce(desk)
    for url, part in zip(urls, PARTS, strict=True):
        await put(url, part)
    await desk.complete(upload)
    assert await put(urls[0], PARTS[0]) in LEADS_NOWHERE
    opened = await open_upload(desk.store, desk.objects, desk.user_id, upload.id, bytes_max=len(DATA))
    assert opened.data == DATA


async def test_more_than_was_declared_is_refused_and_nothing_of_it_stays(desk: Desk) -> None:
    upload, urls = await announce(desk, size=len(DATA) - 1)
    await put(urls[0], PARTS[0])
    await smuggle(desk, upload, 2, PARTS[1])
    with pytest.raises(Refusal) as refusal:
        await desk.complete(upload)
    assert refusal.value.errors[0]["code"] == "wrong_parts"
    assert (await desk.load(upload)).status == "refused"
    assert await put(urls[0], PARTS[0]) in LEADS_NOWHERE
    assert not await desk.arrived(upload)


async def test_another_type_than_declared_is_refused(desk: Desk) -> None:
    upload, urls = await announce(desk)
    await put(urls[0], b"%PDF-1.7\n" + PARTS[0][9:])
    await put(urls[1], PARTS[1])
    with pytest.raises(Refusal) as refusal:
        await desk.complete(upload)
    assert refusal.value.errors[0]["code"] == "wrong_type"
    assert not await desk.arrived(upload)


@pytest.mark.parametrize("how", ["lapses", "discarded"])
async def test_what_was_begun_and_given_up_leaves_nothing(desk: Desk, how: str) -> None:
    upload, urls = await announce(desk)
    await put(urls[0], PARTS[0])
    if how == "lapses":
        await desk.lapse(upload)
        assert await expire_uploads(desk.store, desk.objects) == 1
    else:
        for _ in range(2):
            await discard_upload(desk.store, desk.objects, desk.user_id, upload.id)
    assert (await desk.load(upload)).status == "expired"
    assert await stored_bytes(desk.store, desk.user_id) == 0
    assert await put(urls[1], PARTS[1]) in LEADS_NOWHERE
    with pytest.raises(Refusal, match="the upload is expired"):
        await desk.complete(upload)


async def test_a_store_that_is_away_begins_nothing_and_counts_nothing(desk: Desk) -> None:
    nowhere = Objects("127.0.0.1:1", "access", "secret", "arqade")
    with pytest.raises(Unavailable):
        await announce(Desk(desk.store, nowhere, desk.user_id))
    assert await stored_bytes(desk.store, desk.user_id) == 0
    nowhere.close()


async def test_what_one_put_cannot_take_must_come_in_parts(desk: Desk) -> None:
    async def one_put(size: int) -> None:
        await create_upload(
            desk.store, desk.objects, desk.user_id, filename="a.pdf", content_type="application/pdf", size_bytes=size,
            url_ttl_s=60, bytes_max=2**40,
        )  # fmt: skip

    await one_put(SINGLE_PUT_BYTES_MAX)
    with pytest.raises(Refusal) as refusal:
        await one_put(SINGLE_PUT_BYTES_MAX + 1)
    assert refusal.value.errors[0]["code"] == "parts_needed"


async def test_a_discarded_upload_is_gone_at_once_and_what_its_url_writes_later_in_the_end(desk: Desk) -> None:
    upload, url = await desk.create(3, "application/jsonl", "a.jsonl")
    await put(url, b"{}\n")
    await discard_upload(desk.store, desk.objects, desk.user_id, upload.id)
    assert not await desk.arrived(upload)
    assert await expire_uploads(desk.store, desk.objects) == 0, "its URL still works"
    await put(url, b"[]\n")
    assert await desk.arrived(upload)
    await desk.lapse(upload)
    await expire_uploads(desk.store, desk.objects)
    assert not await desk.arrived(upload)


async def test_nobody_discards_another_users_upload(desk: Desk) -> None:
    upload, _ = await desk.create(100)
    with pytest.raises(Refusal, match="not_found"):
        await discard_upload(desk.store, desk.objects, "usr_" + "0" * 26, upload.id)
    assert (await desk.load(upload)).status == "pending"
