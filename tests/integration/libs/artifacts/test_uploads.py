from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator

import pytest

from libs.artifacts.objects import Objects
from libs.artifacts.scripts import SETTLE_UPLOAD
from libs.artifacts.uploads import (
    complete_upload,
    expire_uploads,
    load_upload,
    open_upload,
    retain_upload,
)
from libs.errors import Failure, Refusal, Unavailable
from libs.ids import new_id
from tests.fakes.upload_desk import BYTES_MAX, Desk, put
from tests.patience import PATIENCE_S
from tests.run.promises import Prompt


@pytest.fixture
async def away() -> AsyncIterator[Objects]:
    nowhere = Objects("127.0.0.1:1", "access", "secret", "arqade")
    yield nowhere
    nowhere.close()


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


# How many


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
    deadline = time.monotonic() + PATIENCE_S
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
    upload, _ = await desk.send(png)
    kept = (await desk.complete(upload)).object_name
    if how == "removed":
        await desk.objects.remove(kept)
    else:  # by somebody with the store's own key: no URL writes there
        await desk.objects.put(kept, png[:-1] + b"!" + (b"more" if how == "longer" else b""), "image/png")
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


async def test_a_store_that_is_away_settles_nothing(desk: Desk, away: Objects, png: bytes, prompt: Prompt) -> None:
    upload, _ = await desk.send(png)
    with prompt(3):
        with pytest.raises(Unavailable):
            await complete_upload(desk.store, away, desk.user_id, upload.id)
        assert (await desk.complete(upload)).status == "completed"
        with pytest.raises(Unavailable):
            await open_upload(desk.store, away, desk.user_id, upload.id, BYTES_MAX)


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
    upload, _ = await desk.send(png, size=1)
    with pytest.raises(Refusal):
        await desk.complete(upload)
    await desk.objects.put(upload.arrival_name, png, "image/png")
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


async def test_every_key_of_an_upload_expires_but_the_list_and_the_sum(desk: Desk, png: bytes) -> None:
    await desk.create(1)
    upload, _ = await desk.send(png)
    await desk.complete(upload)
    for key in await desk.store.call("KEYS", "*"):
        permanent = key.decode().startswith((desk.store.keys.uploads, desk.store.keys.stored))
        assert (await desk.store.call("PTTL", key) > 0) is not permanent


async def test_a_record_outlives_a_long_absence_of_the_sweep(desk: Desk) -> None:
    upload, _ = await desk.create(1)
    assert await desk.store.call("PTTL", desk.store.keys.upload + upload.id) > 29 * 86_400_000
