"""Announcing an upload: what is to come is checked and counted, and URLs are handed out that take it."""

from __future__ import annotations

from dataclasses import replace

from libs.artifacts.arrival import UPLOAD_TYPES
from libs.artifacts.looks import LOOK_EVERY_S
from libs.artifacts.multipart import part_sizes
from libs.artifacts.names import clean_filename
from libs.artifacts.objects import URL_TTL_S_MAX, Objects
from libs.artifacts.scripts import CREATE_UPLOAD, DISCARD_UPLOAD
from libs.artifacts.storage import storage_exceeded
from libs.artifacts.upload import Upload
from libs.errors import Refusal, Unavailable, invalid
from libs.ids import new_id
from libs.limits import SINGLE_PUT_BYTES_MAX
from libs.store.client import Store

__all__ = ["PENDING_UPLOADS_MAX", "create_upload"]

#: Uploads of one user that have a live URL and are not completed.
PENDING_UPLOADS_MAX = 100
_ALIASES = {"image/jpg": "image/jpeg", "application/x-ndjson": "application/jsonl"}


async def create_upload(
    store: Store,
    objects: Objects,
    user_id: str,
    *,
    filename: str,
    content_type: str,
    size_bytes: int,
    url_ttl_s: int,
    bytes_max: int,
    pending_max: int = PENDING_UPLOADS_MAX,
    stored_max: int | None = None,
    in_parts: bool = False,
    look_after_s: int = LOOK_EVERY_S,
) -> tuple[Upload, tuple[str, ...]]:
    """A pending upload and the URL to PUT its bytes to, with the headers of `upload_headers`, for `url_ttl_s` (a week
    at most). A store that checks what was signed takes just the size and type that were announced.

    `in_parts`: one URL for each part of `part_bytes_of(size_bytes)`, in order. `stored_max` is how many bytes its user
    may store in all. `look_after_s` is 0 where the URL is given to nobody. Raises Refusal (422, or 429 with too many
    pending ones or too much stored) and Unavailable.
    """
    filename, content_type = _checked(filename, content_type, size_bytes, bytes_max)
    if not in_parts and size_bytes > SINGLE_PUT_BYTES_MAX:
        raise invalid("#/multipart", f"more than {SINGLE_PUT_BYTES_MAX} bytes are sent in parts", "parts_needed")
    upload_id, url_ttl_s = new_id("upload"), min(url_ttl_s, URL_TTL_S_MAX)
    reply = await store.run(
        CREATE_UPLOAD,
        args=[
            upload_id,
            user_id,
            filename,
            content_type,
            size_bytes,
            url_ttl_s * 1_000,
            pending_max,
            -1 if stored_max is None else stored_max,
            look_after_s * 1_000,
        ],
    )
    if reply[0] == b"storage_exceeded":
        raise storage_exceeded(stored_max)
    if reply[0] == b"too_many":
        detail = f"{pending_max} uploads are pending: complete one, or wait until one lapses"
        raise Refusal("rate_limited", detail, retry_after_s=int(reply[1]) / 1_000)
    created, expires = int(reply[1]), int(reply[2])
    upload = Upload(upload_id, user_id, filename, content_type, size_bytes, "pending", created, expires)
    if in_parts:
        return await _begin(store, objects, upload, url_ttl_s)
    url = objects.presigned_put(
        upload.arrival_name, url_ttl_s, content_type=upload.content_type, size_bytes=upload.size_bytes
    )
    return upload, (url,)


async def _begin(store: Store, objects: Objects, upload: Upload, url_ttl_s: int) -> tuple[Upload, tuple[str, ...]]:
    """Begin what is sent in parts. Its record is there before: what is begun and not noted has no parts and no URL."""
    try:
        begun = await objects.begin_parts(upload.arrival_name, upload.content_type)
    except Unavailable:
        await store.run(DISCARD_UPLOAD, args=[upload.id, upload.user_id])
        raise
    await store.call("HSET", store.keys.upload + upload.id, "multipart", begun)
    urls = tuple(
        objects.presigned_part(
            upload.arrival_name, begun, number, url_ttl_s, content_type=upload.content_type, size_bytes=size
        )
        for number, size in enumerate(part_sizes(upload.size_bytes), start=1)
    )
    return replace(upload, multipart=begun), urls


def _checked(filename: str, content_type: str, size_bytes: int, bytes_max: int) -> tuple[str, str]:
    try:
        filename = clean_filename(filename)
    except ValueError as wrong:
        raise invalid("#/filename", str(wrong)) from None
    content_type = content_type.partition(";")[0].strip().lower()
    content_type = _ALIASES.get(content_type, content_type)
    if content_type not in UPLOAD_TYPES:
        raise invalid("#/content_type", f"one of {', '.join(sorted(UPLOAD_TYPES))} can be uploaded")
    if not 1 <= size_bytes <= bytes_max:
        raise invalid("#/size_bytes", f"an upload has 1 to {bytes_max} bytes", "out_of_range")
    return filename, content_type
