"""The walk compares what lies in the bucket with what is counted, user by user, whatever the size of its pages."""

from __future__ import annotations

import logging
import time

import pytest

from libs.archive.drift import Drift, last_drift
from libs.archive.walk import walk_on
from libs.artifacts.names import batch_prefix, upload_name
from libs.artifacts.objects import Objects
from libs.ids import new_id
from libs.store.client import Store
from tests.fakes.upload_desk import Desk

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001"
    "00ffff03000006000557bfabd40000000049454e44ae426082"
)


async def walked(store: Store, objects: Objects) -> Drift | None:
    """What a whole round finds."""
    await store.call("HDEL", store.keys.walk, "rests_until")
    while not await store.call("HEXISTS", store.keys.walk, "rests_until"):
        await walk_on(store, objects, time.time())
    return await last_drift(store)


@pytest.mark.parametrize("page", [1, 2, 1_000])
async def test_what_lies_there_is_compared_with_what_is_counted(
    store: Store, objects: Objects, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, page: int
) -> None:
    monkeypatch.setattr("libs.archive.walk._PAGE", page)
    monkeypatch.setattr("libs.archive.drift._TOLD_BYTES_MIN", 300)
    assert await last_drift(store) is None
    honest, smuggler, slow = (Desk(store, objects, new_id("usr")) for _ in range(3))
    for _ in range(3):
        await honest.send(PNG)
    await objects.put(f"{batch_prefix(honest.user_id, new_id('batch'), 1)}results.jsonl", bytes(50), "text/plain")
    assert await walked(store, objects) == Drift(more=0, fewer=0)

    await objects.put(upload_name(smuggler.user_id, new_id("upload"), 1), bytes(300), "image/png")
    await slow.send(PNG)
    await slow.create(70)
    with caplog.at_level(logging.WARNING):
        assert await walked(store, objects) == Drift(more=300, fewer=70)
    assert f"user {smuggler.user_id}: 300 bytes in the bucket, 0 counted" in caplog.text
    assert slow.user_id not in caplog.text
