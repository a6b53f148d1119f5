"""Uploads: files that a caller puts straight into the object store and then names in a job's input.

    pending ──complete──▶ completed ──▶ expired
       │                                  ▲
       ├──complete, not as declared──▶ refused
       └──never completed, discarded──────┘

A URL is signed for one size and one type; still what arrived is looked at when the caller says that it is complete, for
a store may check nothing. The URL outlives that moment, so what is looked at is a copy under a name that no URL writes
to, and that copy is what is kept. The SHA-256 found then is checked again whenever the file is read.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress

from libs.artifacts.arrival import INSPECTED_BYTES, Arrived, CountPages, check_size, examine
from libs.artifacts.completing import turn_to_complete
from libs.artifacts.looks import tell_unchecked
from libs.artifacts.multipart import PartsError
from libs.artifacts.names import kept_upload_name, upload_name, upload_prefix
from libs.artifacts.objects import Objects
from libs.artifacts.scripts import (
    DISCARD_UPLOAD,
    EXPIRE_UPLOADS,
    RELEASE_UPLOAD,
    RETAIN_UPLOAD,
    SETTLE_UPLOAD,
)
from libs.artifacts.upload import Upload, UploadedFile, find_upload, load_upload, not_found
from libs.errors import Failure, Refusal, Unavailable, invalid
from libs.ids import is_id
from libs.store.client import Store

__all__ = [
    "COMPLETED_KEPT_S",
    "Upload",
    "UploadedFile",
    "complete_upload",
    "discard_upload",
    "expire_uploads",
    "load_upload",
    "open_upload",
    "retain_upload",
]

#: How long a completed upload waits for a job to use it.
COMPLETED_KEPT_S = 86_400
#: How long the record of an upload whose object is gone still says so.
_EPITAPH_MS = 86_400_000
_SWEPT_AT_ONCE = 100
_AGAIN_S_MAX = 1.0


async def complete_upload(
    store: Store,
    objects: Objects,
    user_id: str,
    upload_id: str,
    *,
    kept_s: int = COMPLETED_KEPT_S,
    count_pages: CountPages | None = None,
    room: Callable[[int], AbstractContextManager[object]] = nullcontext,
) -> Upload:
    """Look at what has arrived, and settle the upload: completed, or refused and removed. May be repeated.

    One request does so at a time; others wait for what it finds. Raises Refusal: 404, 409 while nothing has arrived,
    when it has expired, and when somebody else has been at it for long; 422 when it is not as declared. `room` counts
    what is held in memory meanwhile, and may refuse.
    """
    upload = await load_upload(store, user_id, upload_id)
    if upload.status == "pending":
        async with turn_to_complete(store, upload) as ours:
            if ours:
                with room(INSPECTED_BYTES):
                    await _settle(store, objects, upload, kept_s, count_pages)
        upload = await load_upload(store, user_id, upload_id)
    if upload.refusal is not None:
        raise invalid(*upload.refusal)
    if upload.status != "completed":
        raise Refusal("conflict", f"the upload is {upload.status}")
    return upload


async def discard_upload(store: Store, objects: Objects, user_id: str, upload_id: str) -> None:
    """Remove an upload, whatever is going to ask for it; again is fine. Raises Refusal (404) and Unavailable.

    A URL that still works may write the object once more: the sweep looks for that until it has lapsed.
    """
    upload = await load_upload(store, user_id, upload_id)
    if await store.run(DISCARD_UPLOAD, args=[upload.id, user_id]) == b"not_found":
        raise not_found()
    await _remove_if_possible(objects, upload)


async def retain_upload(store: Store, user_id: str, upload_id: str, kept_s: int) -> None:
    """Keep a completed upload for at least `kept_s` from now, for a job that names it.

    Raises Refusal: 404, or 409 when it is not completed.
    """
    status = b"not_found"
    if is_id(upload_id, "upload"):
        status = await store.run(RETAIN_UPLOAD, args=[upload_id, user_id, kept_s * 1_000])
    if status == b"not_found":
        raise not_found()
    if status != b"completed":
        raise Refusal("conflict", f"the upload is {status.decode()}")


async def open_upload(store: Store, objects: Objects, user_id: str, upload_id: str, bytes_max: int) -> UploadedFile:
    """The bytes of a completed upload. Raises Failure (the caller's fault) when there are none, and Unavailable."""
    upload = await find_upload(store, user_id, upload_id)
    if upload is None:
        raise _failed("upload_not_found", "there is no such upload")
    if upload.status != "completed":
        raise _failed("upload_not_completed", f"the upload is {upload.status}")
    if upload.size_bytes > bytes_max:
        raise _failed("upload_too_large", f"the upload has more than {bytes_max} bytes")
    try:
        data = await objects.get(upload.object_name, bytes_max=upload.size_bytes)
    except ValueError:
        data = None
    if data is None or hashlib.sha256(data).hexdigest() != upload.sha256:
        raise _failed("upload_changed", "the upload was overwritten or removed after it was completed")
    return UploadedFile(upload.id, upload.filename, upload.content_type, data)


async def expire_uploads(store: Store, objects: Objects, *, limit: int = _SWEPT_AT_ONCE) -> int:
    """Remove the objects of uploads that lapsed, at most `limit` of them; how many there were.

    Call it again at once when it returns `limit`. Raises Unavailable, and goes on from there the next time.
    """
    due = [word.decode() for word in await store.run(EXPIRE_UPLOADS, args=[limit])]
    for upload_id, user_id, created, begun in zip(due[::4], due[1::4], due[2::4], due[3::4], strict=True):
        if begun:
            await objects.abort_parts(upload_name(user_id, upload_id, int(created)), begun)
        await objects.remove_all(upload_prefix(user_id, upload_id, int(created)))
        await store.run(RELEASE_UPLOAD, args=[upload_id, user_id, _EPITAPH_MS])
    return len(due) // 4


async def _settle(store: Store, objects: Objects, upload: Upload, kept_s: int, count_pages: CountPages | None) -> None:
    """Settle it by what has arrived; whoever comes second changes nothing."""
    kept, found = secrets.token_hex(8), dict[str, str]()
    try:
        arrived = await _take_over(objects, upload, kept_upload_name(upload.prefix, kept), count_pages)
    except Refusal as refusal:
        if refusal.code != "validation_failed":
            raise
        status, found = "refused", _refused(refusal)
    else:
        status, found = "completed", {**_completed(arrived), "kept": kept}
    words = [word for field in found.items() for word in field]
    now = await store.run(SETTLE_UPLOAD, args=[upload.id, upload.user_id, status, kept_s * 1_000, *words])
    if (now, status) == (b"completed", "completed"):
        await _remove_arrival_if_possible(objects, upload)
    elif now != b"completed":
        await _remove_if_possible(objects, upload)


async def _take_over(objects: Objects, upload: Upload, target: str, count_pages: CountPages | None) -> Arrived:
    """Copy what has arrived to where nobody writes any more, and look at it there."""
    if upload.multipart is not None:
        await _put_together(objects, upload, upload.multipart)
    facts = await objects.stat(upload.arrival_name)
    if facts is None:
        raise _not_there()
    if facts.size_bytes != upload.size_bytes:
        tell_unchecked(upload, facts.size_bytes)
    check_size(facts.size_bytes, upload.size_bytes)
    if not await objects.copy(upload.arrival_name, target):
        raise _not_there()
    arrived = await examine(
        objects, target, content_type=upload.content_type, size_bytes=upload.size_bytes, count_pages=count_pages
    )
    if arrived is None:
        raise Unavailable("objects", "the object store did not keep what it copied")
    return arrived


def _not_there() -> Refusal:
    return Refusal("conflict", "the file has not arrived: PUT it to the URL first")


async def _put_together(objects: Objects, upload: Upload, begun: str) -> None:
    """Make the object of its parts; nothing happens when that was done before.

    A store may fail at what several ask for at once, though one of them has got it: ask once more, each in its turn.
    """
    try:
        try:
            parts = await objects.put_together(upload.arrival_name, begun, upload.size_bytes)
        except Unavailable:
            await asyncio.sleep(random.uniform(0, _AGAIN_S_MAX))
            parts = await objects.put_together(upload.arrival_name, begun, upload.size_bytes)
    except PartsError as wrong:
        raise invalid("#/size_bytes", str(wrong), "wrong_parts") from None
    if parts is not None and not parts.whole:
        detail = f"{parts.size_bytes} of {upload.size_bytes} bytes have arrived: PUT the parts that are missing"
        raise Refusal("conflict", detail)


def _completed(arrived: Arrived) -> dict[str, str]:
    pages = {} if arrived.page_count is None else {"pages": str(arrived.page_count)}
    return {"sha256": arrived.sha256, **pages}


def _refused(refusal: Refusal) -> dict[str, str]:
    return {f"refused_{member}": refusal.errors[0][member] for member in ("pointer", "detail", "code")}


async def _remove_arrival_if_possible(objects: Objects, upload: Upload) -> None:
    with suppress(Unavailable):  # the sweep looks for it until the URL has lapsed
        await objects.remove(upload.arrival_name)


async def _remove_if_possible(objects: Objects, upload: Upload) -> None:
    with suppress(Unavailable):  # the same
        if upload.multipart is not None:
            await objects.abort_parts(upload.arrival_name, upload.multipart)
        await objects.remove_all(upload.prefix)


def _failed(code: str, detail: str) -> Failure:
    return Failure(code, detail, fault="caller")
