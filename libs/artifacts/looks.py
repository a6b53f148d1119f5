"""Looks at what uploads' URLs have written, while they still can: what nobody announced goes, and is counted.

A store that checks what was signed takes no other size or type than was announced. Still a URL works until it lapses:
its bytes may come again after the upload was completed or discarded, parts may never be completed, and there are stores
that check nothing. So each upload is looked at once a minute until its URL has lapsed, a bounded number at a time.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from libs.artifacts.multipart import part_bytes_of
from libs.artifacts.objects import ObjectFacts, Objects
from libs.artifacts.scripts import DUE_LOOKS, SETTLE_UPLOAD
from libs.artifacts.upload import Upload, find_upload
from libs.store.client import Store

__all__ = ["LOOK_EVERY_S", "Strays", "What", "look_at_uploads", "strays_of", "tell_unchecked"]

_log = logging.getLogger(__name__)

#: How often an upload whose URL works is looked at.
LOOK_EVERY_S = 60
_AT_ONCE = 50
_FOUND_MAX = 100

#: Sent after the upload was settled; more than was announced; parts that make no object; copies of who died over them.
What = Literal["late", "oversize", "parts", "copy"]


@dataclass(slots=True)
class Strays:
    """What was found and removed: objects (or sets of parts) and bytes, by what they were."""

    objects: Counter[What] = field(default_factory=Counter)
    bytes: Counter[What] = field(default_factory=Counter)

    def add(self, what: What, size_bytes: int) -> None:
        """One more."""
        self.objects[what] += 1
        self.bytes[what] += size_bytes


async def look_at_uploads(store: Store, objects: Objects, *, limit: int = _AT_ONCE) -> Strays:
    """Look at those that are due, at most `limit`, and remove what should not be there. Raises Unavailable."""
    strays = Strays()
    due = [word.decode() for word in await store.run(DUE_LOOKS, args=[limit, LOOK_EVERY_S * 1_000])]
    for upload_id, user_id in zip(due[::2], due[1::2], strict=True):
        # In this order: whoever copied something that is listed had taken their turn before, and it shows.
        upload = await find_upload(store, user_id, upload_id)
        found = () if upload is None else await objects.list(upload.prefix, limit=_FOUND_MAX)
        upload = await find_upload(store, user_id, upload_id)
        if upload is not None and not upload.is_completing:
            await _look(store, objects, upload, found, strays)
    return strays


def strays_of(upload: Upload, found: Sequence[ObjectFacts]) -> dict[str, tuple[What, int]]:
    """The objects of an upload that nobody is completing and that should not be there: what each is, and its size."""
    strays: dict[str, tuple[What, int]] = {}
    for each in found:
        at_url = each.name == upload.arrival_name
        if upload.status == "pending" and at_url and each.size_bytes <= upload.size_bytes:
            continue
        if upload.status == "completed" and each.name == upload.object_name:
            continue
        pending: What = "oversize" if at_url else "copy"
        settled: What = "late" if at_url else "copy"
        strays[each.name] = (pending if upload.status == "pending" else settled, each.size_bytes)
    return strays


async def _look(store: Store, objects: Objects, upload: Upload, found: Sequence[ObjectFacts], strays: Strays) -> None:
    for name, (what, size_bytes) in strays_of(upload, found).items():
        if what == "oversize":
            await _refuse(store, upload, size_bytes, "wrong_size")
        await objects.remove(name)
        strays.add(what, size_bytes)
    if upload.multipart is not None:
        await _look_at_parts(store, objects, upload, upload.multipart, strays)


async def _look_at_parts(store: Store, objects: Objects, upload: Upload, begun: str, strays: Strays) -> None:
    parts = await objects.list_parts(upload.arrival_name, begun)
    if parts is None:
        return
    arrived = sum(part.size_bytes for part in parts)
    fits = arrived <= upload.size_bytes and all(part.size_bytes <= part_bytes_of(upload.size_bytes) for part in parts)
    if upload.status == "pending" and fits:
        return
    if upload.status == "pending":
        await _refuse(store, upload, arrived, "wrong_parts")
    await objects.abort_parts(upload.arrival_name, begun)
    if parts:
        strays.add("parts", arrived)


def tell_unchecked(upload: Upload, arrived: int) -> None:
    """Tell the operator that more came than a URL was signed for: a store that checks takes no such thing."""
    _log.warning(
        "upload %s: %d bytes were announced, %d arrived: the object store does not check what its URLs were signed for",
        upload.id,
        upload.size_bytes,
        arrived,
    )


async def _refuse(store: Store, upload: Upload, arrived: int, code: str) -> None:
    tell_unchecked(upload, arrived)
    detail = f"{upload.size_bytes} bytes were declared and {arrived} arrived"
    words = ("refused_pointer", "#/size_bytes", "refused_detail", detail, "refused_code", code)
    await store.run(SETTLE_UPLOAD, args=[upload.id, upload.user_id, "refused", 0, *words])
