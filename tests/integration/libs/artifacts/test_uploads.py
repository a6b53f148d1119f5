from __future__ import annotations

import asyncio
import hashlib
import io
import struct
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from PIL import Image

from libs.artifacts.objects import Objects
from libs.artifacts.scripts import SETTLE_UPLOAD
from libs.artifacts.uploads import (
    Upload,
    complete_upload,
    create_upload,
    expire_uploads,
    load_upload,
    open_upload,
    retain_upload,
)
from libs.errors import Failure, Refusal, Unavailable
from libs.ids import new_id
from libs.store.client import Store

BYTES_MAX = 1_000_000


class Desk:
    """One user at the counter: what a caller does with an upload, in a word each."""

    def __init__(self, store: Store, objects: Objects, user_id: str) -> None:
        self.store = store
        self.objects = objects
        self.user_id = user_id

    async def create(
        self,
        size: int,
        content_type: str = "image/png",
        filename: str = "scan.png",
        ttl_s: int = 60,
        pending_max: int = 100,
    ) -> tuple[Upload, str]:
        return await create_upload(
            self.store,
            self.objects,
            self.user_id,
            filename=filename,
            content_type=content_type,
            size_bytes=size,
            url_ttl_s=ttl_s,
            bytes_max=BYTES_MAX,
            pending_max=pending_max,
        )

    async def send(self, data: bytes, content_type: str = "image/png", size: int | None = None) -> tuple[Upload, str]:
        upload, url = await self.create(len(data) if size is None else size, content_type)
        await put(url, data)
        return upload, url

    async def complete(self, upload: Upload) -> Upload:
        return await complete_upload(self.store, self.objects, self.user_id, upload.id)

    async def load(self, upload: Upload) -> Upload:
        return await load_upload(self.store, self.user_id, upload.id)

    async def arrived(self, upload: Upload) -> bool:
        return await self.objects.stat(upload.object_name) is not None

    async def lapse(self, upload: Upload) -> None:
        """Make it due, as if its time had passed."""
        await self.store.call("ZADD", self.store.keys.uploads, 1, upload.id)


async def put(url: str, data: bytes) -> None:
    async with httpx.AsyncClient() as client:
        assert (await client.put(url, content=data)).status_code == 200


@pytest.fixture
def desk(store: Store, objects: Objects, user_id: str) -> Desk:
    return Desk(store, objects, user_id)


@pytest.fixture
async def away() -> AsyncIterator[Objects]:
    nowhere = Objects("127.0.0.1:1", "access", "secret", "arqade")
    yield nowhere
    nowhere.close()


def tiff(*sizes: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    pages = [Image.new("1", size) for size in sizes]
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:], compression="group4")
    return file.getvalue()


# The whole life


async def test_an_upload_is_created_sent_completed_and_opened(desk: Desk, png: bytes) -> None:
    upload, _ = await desk.send(png)
    assert (upload.status, upload.sha256) == ("pending", None)
    assert upload.expires_at_ms - upload.created_at_ms == 60_000
    assert await desk.load(upload) == upload

    completed = await desk.complete(upload)
    assert (completed.status, completed.page_count) == ("completed", 1)
    assert completed.sha256 == hashlib.sha256(png).hexdigest()
    file = await open_upload(desk.store, desk.objects, desk.user_id, upload.id, BYTES_MAX)
    assert (file.upload_id, file.filename, file.content_type, file.data) == (upload.id, "scan.png", "image/png", png)


async def test_completing_twice_changes_nothing(desk: Desk, png: bytes) -> None:
    upload, _ = await desk.send(png)
    first = await desk.complete(upload)
    assert await desk.complete(upload) == first


async def test_completing_from_many_sides_at_once_settles_it_once(desk: Desk, png: bytes) -> None:
    upload, _ = await desk.send(png)
    completed = await asyncio.gather(*(desk.complete(upload) for _ in range(8)))
    assert len(set(completed)) == 1


@pytest.mark.parametrize("other", ["completed", "refused", "expired"])
async def test_what_is_settled_stays_settled(desk: Desk, png: bytes, other: str) -> None:
    upload, _ = await desk.send(png)
    await desk.store.call("HSET", desk.store.keys.upload + upload.id, "status", other)
    for late in ("completed", "refused"):
        words = [upload.id, upload.user_id, late, 1_000, "sha256", "late"]
        assert await desk.store.run(SETTLE_UPLOAD, args=words) == other.encode()
    assert (await desk.load(upload)).sha256 is None


async def test_what_has_not_arrived_can_be_sent_later(desk: Desk, png: bytes) -> None:
    upload, url = await desk.create(len(png))
    with pytest.raises(Refusal, match="has not arrived") as refused:
        await desk.complete(upload)
    assert refused.value.code == "conflict"
    await put(url, png)
    assert (await desk.complete(upload)).status == "completed"


# What is refused


@pytest.mark.parametrize("declared", [1, 10**6], ids=["more", "less"])
async def test_another_size_than_declared_is_refused_and_removed(desk: Desk, png: bytes, declared: int) -> None:
    upload, _ = await desk.send(png, size=declared)
    for _ in range(2):  # also when it is asked again
        with pytest.raises(Refusal, match=f"{declared} bytes were declared and {len(png)} arrived") as refused:
            await desk.complete(upload)
        assert refused.value.code == "validation_failed"
        assert refused.value.errors[0]["pointer"] == "#/size_bytes"
    assert (await desk.load(upload)).status == "refused"
    assert not await desk.arrived(upload)


@pytest.mark.parametrize(
    "declared, data",
    [
        ("image/png", b"<script>alert(1)</script>"),
        ("image/jpeg", b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01"),
        ("application/pdf", b"MZ\x90\x00\x03"),
        ("application/jsonl", b"%PDF-1.7 {}"),
    ],
)
async def test_another_type_than_declared_is_refused_and_removed(desk: Desk, declared: str, data: bytes) -> None:
    upload, _ = await desk.send(data, declared)
    with pytest.raises(Refusal, match=f"{declared} was declared and ") as refused:
        await desk.complete(upload)
    assert refused.value.errors[0]["pointer"] == "#/content_type"
    assert not await desk.arrived(upload)


@pytest.mark.parametrize(
    "size, code", [((5_000, 5_000), None), ((5_001, 5_000), "too_many_pixels"), ((0, 5), "unreadable")]
)
async def test_pictures_have_25_megapixels_at_most(desk: Desk, size: tuple[int, int], code: str | None) -> None:
    upload, _ = await desk.send(b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR" + struct.pack(">II", *size))
    if code is None:
        assert (await desk.complete(upload)).status == "completed"
        return
    with pytest.raises(Refusal) as refused:
        await desk.complete(upload)
    assert refused.value.errors[0]["code"] == code


async def test_every_page_of_a_tiff_counts_wherever_its_directory_lies(desk: Desk) -> None:
    upload, _ = await desk.send(tiff((100, 50), (30, 20), (10, 10)), "image/tiff")
    assert (await desk.complete(upload)).page_count == 3
    far = bytearray(tiff((100, 50)))
    (directory,) = struct.unpack_from("<I", far, 4)
    far[4:8] = struct.pack("<I", len(far))  # the same directory again, at the end
    moved = bytes(far) + bytes(far[directory:])
    upload, _ = await desk.send(moved, "image/tiff")
    assert (await desk.complete(upload)).page_count == 1
    upload, _ = await desk.send(tiff((100, 50), (6_000, 5_000)), "image/tiff")
    with pytest.raises(Refusal, match="25 megapixels"):
        await desk.complete(upload)


async def test_a_directory_behind_the_first_megabyte_is_fetched(desk: Desk) -> None:
    page = tiff((100, 50))
    (directory,) = struct.unpack_from("<I", page, 4)
    gap = 1_500_000
    data = b"II*\x00" + struct.pack("<I", gap) + bytes(gap - 8) + page[directory:]
    upload, url = await create_upload(
        desk.store,
        desk.objects,
        desk.user_id,
        filename="far.tiff",
        content_type="image/tiff",
        size_bytes=len(data),
        url_ttl_s=60,
        bytes_max=10**7,
    )
    await put(url, data)
    assert (await desk.complete(upload)).page_count == 1


async def test_a_pdf_and_json_lines_are_taken(desk: Desk) -> None:
    for content_type, data in (("application/pdf", b"%PDF-1.7\n"), ("application/x-ndjson", b'{"a":1}\n{"a":2}\n')):
        upload, _ = await desk.send(data, content_type)
        assert (await desk.complete(upload)).page_count is None


@pytest.mark.parametrize(
    "member, wrong",
    [
        ("filename", {"filename": "a\x00b"}),
        ("filename", {"filename": "x" * 256}),
        ("content_type", {"content_type": "image/svg+xml"}),
        ("content_type", {"content_type": ""}),
        ("size_bytes", {"size": 0}),
        ("size_bytes", {"size": -1}),
        ("size_bytes", {"size": BYTES_MAX + 1}),
    ],
)
async def test_what_cannot_be_uploaded_is_refused_at_once(desk: Desk, member: str, wrong: dict[str, object]) -> None:
    with pytest.raises(Refusal) as refused:
        await desk.create(**{"size": 1, **wrong})  # type: ignore[arg-type]
    assert refused.value.errors[0]["pointer"] == f"#/{member}"
    assert await desk.store.call("KEYS", "*") == []


async def test_the_largest_upload_is_allowed(desk: Desk) -> None:
    upload, _ = await desk.create(BYTES_MAX, content_type="Image/JPG; q=1", filename="../a.jpg")
    assert (upload.filename, upload.content_type) == ("a.jpg", "image/jpeg")


async def test_pending_uploads_are_counted_and_completed_ones_are_not(desk: Desk, png: bytes) -> None:
    first, url = await desk.create(len(png), pending_max=2)
    await desk.create(1, pending_max=2)
    with pytest.raises(Refusal, match="2 uploads are pending") as refused:
        await desk.create(1, pending_max=2)
    assert refused.value.code == "rate_limited"
    assert refused.value.retry_after_s is not None
    assert 50 < refused.value.retry_after_s <= 60
    await put(url, png)
    await desk.complete(first)
    await desk.create(1, pending_max=2)


async def test_uploads_whose_url_has_lapsed_are_pending_no_more(desk: Desk) -> None:
    await desk.create(1, ttl_s=60)
    await desk.create(1, ttl_s=1)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            await desk.create(1, pending_max=2)
        except Refusal as refused:
            await asyncio.sleep(min(refused.retry_after_s or 0, 1) / 4 + 0.01)
        else:
            return
    pytest.fail("a lapsed upload was counted")


# Whose it is


async def test_another_user_s_upload_is_the_same_as_none(desk: Desk, png: bytes) -> None:
    upload, _ = await desk.send(png)
    other = Desk(desk.store, desk.objects, new_id("user"))
    answers = set()
    for asked in (upload.id, new_id("upload"), "upload_x", "../" + upload.id, ""):
        for call in (
            load_upload(other.store, other.user_id, asked),
            complete_upload(other.store, other.objects, other.user_id, asked),
            retain_upload(other.store, other.user_id, asked, 60),
        ):
            with pytest.raises(Refusal) as refused:
                await call
            answers.add(str(refused.value))
        with pytest.raises(Failure) as failed:
            await open_upload(other.store, other.objects, other.user_id, asked, BYTES_MAX)
        assert (failed.value.code, failed.value.fault) == ("upload_not_found", "caller")
    assert len(answers) == 1
    assert (await desk.load(upload)).status == "pending"


# Opening


async def test_an_upload_that_is_not_completed_cannot_be_opened(desk: Desk, png: bytes) -> None:
    upload, _ = await desk.send(png)
    with pytest.raises(Failure) as failed:
        await open_upload(desk.store, desk.objects, desk.user_id, upload.id, BYTES_MAX)
    assert (failed.value.code, failed.value.fault, failed.value.retryable) == ("upload_not_completed", "caller", False)


@pytest.mark.parametrize("how", ["same size", "longer", "removed"])
async def test_what_was_changed_after_completion_is_not_opened(desk: Desk, png: bytes, how: str) -> None:
    upload, url = await desk.send(png)
    await desk.complete(upload)
    if how == "removed":
        await desk.objects.remove(upload.object_name)
    else:
        await put(url, png[:-1] + b"!" + (b"more" if how == "longer" else b""))
    with pytest.raises(Failure) as failed:
        await open_upload(desk.store, desk.objects, desk.user_id, upload.id, BYTES_MAX)
    assert (failed.value.code, failed.value.fault) == ("upload_changed", "caller")


async def test_an_upload_beyond_the_readers_limit_is_not_read(desk: Desk, png: bytes) -> None:
    upload, _ = await desk.send(png)
    await desk.complete(upload)
    with pytest.raises(Failure) as failed:
        await open_upload(desk.store, desk.objects, desk.user_id, upload.id, len(png) - 1)
    assert failed.value.code == "upload_too_large"


# Outages


async def test_a_store_that_is_away_settles_nothing(desk: Desk, away: Objects, png: bytes) -> None:
    upload, _ = await desk.send(png)
    started = time.monotonic()
    with pytest.raises(Unavailable):
        await complete_upload(desk.store, away, desk.user_id, upload.id)
    assert (await desk.complete(upload)).status == "completed"
    with pytest.raises(Unavailable):
        await open_upload(desk.store, away, desk.user_id, upload.id, BYTES_MAX)
    assert time.monotonic() - started < 3


# The end


async def test_an_upload_that_was_never_completed_expires_with_its_object(desk: Desk, png: bytes) -> None:
    upload, _ = await desk.send(png)
    assert await expire_uploads(desk.store, desk.objects) == 0
    await desk.lapse(upload)
    assert await expire_uploads(desk.store, desk.objects) == 1
    assert (await desk.load(upload)).status == "expired"
    assert not await desk.arrived(upload)
    with pytest.raises(Refusal, match="the upload is expired") as refused:
        await desk.complete(upload)
    assert refused.value.code == "conflict"
    assert await expire_uploads(desk.store, desk.objects) == 0


async def test_a_url_s_last_put_is_waited_for(desk: Desk) -> None:
    upload, _ = await desk.create(1, ttl_s=60)
    due = float(await desk.store.call("ZSCORE", desk.store.keys.uploads, upload.id))
    assert due == upload.expires_at_ms + 15 * 60 * 1_000


async def test_a_completed_upload_is_kept_for_a_day_and_for_the_jobs_that_use_it(desk: Desk, png: bytes) -> None:
    upload, _ = await desk.send(png)
    day_ms = 86_400_000
    completed = await desk.complete(upload)
    assert day_ms - 60_000 < completed.expires_at_ms - upload.created_at_ms < day_ms + 60_000
    await retain_upload(desk.store, desk.user_id, upload.id, 3_600)
    assert await desk.load(upload) == completed
    await retain_upload(desk.store, desk.user_id, upload.id, 7 * 86_400)
    retained = await desk.load(upload)
    assert retained.expires_at_ms > completed.expires_at_ms + 5 * day_ms
    assert float(await desk.store.call("ZSCORE", desk.store.keys.uploads, upload.id)) == retained.expires_at_ms
    await desk.lapse(upload)
    assert await expire_uploads(desk.store, desk.objects) == 1
    with pytest.raises(Refusal, match="expired"):
        await retain_upload(desk.store, desk.user_id, upload.id, 60)


async def test_what_a_live_url_wrote_after_a_refusal_is_removed_in_the_end(desk: Desk, png: bytes) -> None:
    upload, url = await desk.send(png, size=1)
    with pytest.raises(Refusal):
        await desk.complete(upload)
    await put(url, png)
    await desk.lapse(upload)
    assert await expire_uploads(desk.store, desk.objects) == 1
    assert not await desk.arrived(upload)
    assert (await desk.load(upload)).status == "refused"


async def test_a_sweep_that_is_interrupted_is_done_again(desk: Desk, away: Objects, png: bytes) -> None:
    uploads = [(await desk.send(png))[0] for _ in range(5)]
    for upload in uploads:
        await desk.lapse(upload)
    with pytest.raises(Unavailable):
        await expire_uploads(desk.store, away)
    assert await asyncio.gather(*(expire_uploads(desk.store, desk.objects, limit=2) for _ in range(2))) == [2, 2]
    assert await expire_uploads(desk.store, desk.objects) == 3
    assert not any([await desk.arrived(upload) for upload in uploads])


async def test_every_key_of_an_upload_expires_but_the_list(desk: Desk, png: bytes) -> None:
    await desk.create(1)
    upload, _ = await desk.send(png)
    await desk.complete(upload)
    for key in await desk.store.call("KEYS", "*"):
        permanent = key.decode() == desk.store.keys.uploads
        assert (await desk.store.call("PTTL", key) > 0) is not permanent


async def test_a_record_outlives_a_long_absence_of_the_sweep(desk: Desk) -> None:
    upload, _ = await desk.create(1)
    assert await desk.store.call("PTTL", desk.store.keys.upload + upload.id) > 29 * 86_400_000
