"""Files that come within a request: made uploads like any other, so that they are kept, checked and swept like them."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from libs.artifacts.announce import create_upload
from libs.artifacts.dimensions import size_of
from libs.artifacts.objects import Objects
from libs.artifacts.scripts import SETTLE_UPLOAD
from libs.artifacts.sniff import EXTENSIONS, sniff
from libs.artifacts.upload import Upload
from libs.errors import Unavailable, invalid
from libs.limits import PIXELS_MAX
from libs.store.client import Store

__all__ = ["check_inline_picture", "store_inline"]

#: How long writing one may take, and how many of a user may be under way at once.
_WRITE_S = 120
_PENDING_MAX = 1_000


def check_inline_picture(data: bytes, types: frozenset[str], bytes_max: int, where: str) -> str:
    """The type of a picture that may be stored; raises Refusal (422) for another, pointing at `where`."""
    if len(data) > bytes_max:
        raise invalid(where, f"at most {bytes_max} bytes", "too_large")
    content_type = sniff(data)
    if content_type not in types:
        raise invalid(where, f"{content_type} is none of {', '.join(sorted(types))}", "wrong_type")
    size = size_of(data, content_type)
    if size is None:
        raise invalid(where, "the picture's header cannot be read", "unreadable")
    if size.pixels > PIXELS_MAX:
        raise invalid(where, f"the picture has more than {PIXELS_MAX // 1_000_000} megapixels", "too_many_pixels")
    return content_type


async def store_inline(
    store: Store, objects: Objects, user_id: str, data: bytes, content_type: str, *, kept_s: int, stored_max: int | None
) -> Upload:
    """Make a checked picture a completed upload of the user's, kept for `kept_s`. Raises Refusal and Unavailable.

    One that is not stored to its end is pending, and lapses like any other.
    """
    upload, _url = await create_upload(
        store,
        objects,
        user_id,
        filename=f"inline.{EXTENSIONS[content_type]}",
        content_type=content_type,
        size_bytes=len(data),
        url_ttl_s=_WRITE_S,
        bytes_max=len(data),
        pending_max=_PENDING_MAX,
        stored_max=stored_max,
        look_after_s=0,
    )
    await objects.put(upload.arrival_name, data, content_type)
    sha256 = hashlib.sha256(data).hexdigest()
    found = ("sha256", sha256, "pages", "1")
    status = await store.run(SETTLE_UPLOAD, args=[upload.id, user_id, "completed", kept_s * 1_000, *found])
    if status != b"completed":
        raise Unavailable("objects", "the object store took too long to keep the picture")
    return replace(upload, status="completed", sha256=sha256, page_count=1)
