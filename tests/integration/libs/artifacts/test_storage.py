"""What a user has stored is counted in and out, once, whatever dies in between."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from libs.artifacts.announce import create_upload
from libs.artifacts.artifact import Artifact
from libs.artifacts.objects import Objects
from libs.artifacts.storage import ALL, forget_stored, stored_bytes
from libs.artifacts.uploads import expire_uploads
from libs.errors import Refusal
from libs.jobs.lifecycle import claim, finish
from libs.store.client import Store
from tests.fakes.callers import make_caller, submit
from tests.fakes.upload_desk import Desk

DAY_S = 86_400


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8), 9).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def desk(store: Store, objects: Objects) -> Desk:
    return Desk(store, objects, make_caller().user_id)


async def both(store: Store, user_id: str) -> tuple[int, int]:
    return await stored_bytes(store, user_id), await stored_bytes(store, ALL)


async def test_an_upload_counts_from_its_announcement_to_its_end(desk: Desk) -> None:
    data = picture()
    upload, _ = await desk.send(data)
    assert await both(desk.store, desk.user_id) == (len(data), len(data))
    await desk.complete(upload)
    await desk.complete(upload)
    assert await both(desk.store, desk.user_id) == (len(data), len(data))
    await desk.lapse(upload)
    for _ in range(2):
        await expire_uploads(desk.store, desk.objects)
        await desk.lapse(upload)
        assert await both(desk.store, desk.user_id) == (0, 0)


async def test_a_refused_upload_counts_no_more_and_its_sweep_does_not_count_it_out_again(desk: Desk) -> None:
    upload, _ = await desk.send(picture(), size=7)
    with pytest.raises(Refusal, match="validation_failed"):
        await desk.complete(upload)
    assert await both(desk.store, desk.user_id) == (0, 0)
    await desk.lapse(upload)
    await expire_uploads(desk.store, desk.objects)
    assert await both(desk.store, desk.user_id) == (0, 0)


async def test_a_sweep_that_died_before_it_let_go_is_done_again_and_counts_once(desk: Desk) -> None:
    first, _ = await desk.send(picture())
    second, _ = await desk.send(picture())
    await desk.lapse(first)
    await desk.objects.remove(first.arrival_name)  # as far as it got
    assert await stored_bytes(desk.store, desk.user_id) == 2 * len(picture())
    await expire_uploads(desk.store, desk.objects)
    assert await stored_bytes(desk.store, desk.user_id) == second.size_bytes


async def test_the_last_byte_is_allowed_and_one_more_is_not(desk: Desk) -> None:
    async def announce(size: int) -> None:
        await create_upload(
            desk.store,
            desk.objects,
            desk.user_id,
            filename="a.png",
            content_type="image/png",
            size_bytes=size,
            url_ttl_s=60,
            bytes_max=1_000,
            stored_max=100,
        )

    await announce(60)
    with pytest.raises(Refusal, match="storage_exceeded"):
        await announce(41)
    await announce(40)
    assert await both(desk.store, desk.user_id) == (100, 100)
    with pytest.raises(Refusal, match="storage_exceeded"):
        await announce(1)


def artifact(size: int) -> Artifact:
    return Artifact("a.txt", "text/plain", size, "0" * 64, "usr/a")


async def finished_job(store: Store, user_id: str, size: int, retention_s: int) -> None:
    await submit(store, make_caller(user_id=user_id, retention_s=retention_s))
    (claimed,) = (await claim(store, "w1", ["cpu"], 1, 30)).jobs
    for _ in range(2):  # its reply was lost
        await finish(store, claimed.job_id, claimed.fence, "succeed", artifacts=[artifact(size)])


async def test_artifacts_count_once_and_free_themselves_by_the_calendar(store: Store) -> None:
    user_id = make_caller().user_id
    await finished_job(store, user_id, 100, retention_s=2 * DAY_S)
    await finished_job(store, user_id, 10, retention_s=30 * DAY_S)
    assert await both(store, user_id) == (110, 110)
    for name in (user_id, ALL):
        await _days_pass(store, store.keys.stored + name, 3)
    assert await both(store, user_id) == (10, 10)
    await finished_job(store, user_id, 1, retention_s=DAY_S)
    assert await both(store, user_id) == (11, 11)
    fields = await store.call("HKEYS", store.keys.stored + user_id)
    assert len([one for one in fields if one.startswith(b"lapse:")]) == 2, "what has lapsed leaves nothing behind"


async def _days_pass(store: Store, key: str, days: int) -> None:
    """As if what was written had been written so many days ago."""
    members = await store.call("HGETALL", key)
    for field, value in zip(members[::2], members[1::2], strict=True):
        name, _, day = field.decode().partition(":")
        if day:
            await store.call("HDEL", key, field)
            await store.call("HSET", key, f"{name}:{int(day) - days}", value)
        elif name == "day":
            await store.call("HSET", key, name, int(value) - days)


async def test_a_job_is_refused_when_no_room_is_left_and_an_admitted_one_keeps_what_it_makes(store: Store) -> None:
    caller = make_caller(stored_bytes_max=100)
    for _ in range(2):
        await submit(store, caller)
    first, second = (await claim(store, "w1", ["cpu"], 2, 30)).jobs
    await finish(store, first.job_id, first.fence, "succeed", artifacts=[artifact(100)])
    with pytest.raises(Refusal, match="storage_exceeded"):
        await submit(store, caller)
    await finish(store, second.job_id, second.fence, "succeed", artifacts=[artifact(50)])
    assert await stored_bytes(store, caller.user_id) == 150


async def test_a_user_who_is_gone_takes_their_bytes_out_of_the_sum(store: Store) -> None:
    one, other = make_caller().user_id, make_caller().user_id
    await finished_job(store, one, 100, DAY_S)
    await finished_job(store, other, 10, DAY_S)
    await forget_stored(store, one)
    assert await both(store, one) == (0, 10)
    assert not await store.call("EXISTS", store.keys.stored + one)
