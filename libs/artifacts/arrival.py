"""Looks at what has arrived for an upload: how much, what it is, how large its pictures are. Nothing is decoded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from libs.artifacts.dimensions import Size, UnreadableError, size_of, tiff_pages
from libs.artifacts.objects import Digest, Objects
from libs.artifacts.sniff import refine, sniff
from libs.errors import Failure, invalid
from libs.limits import PIXELS_MAX
from libs.spool import Content

__all__ = ["INSPECTED_BYTES", "UPLOAD_TYPES", "Arrived", "CountPages", "Fetch", "check_size", "examine"]

#: Fetches a file when there is room for it, to disk when it is large.
Fetch = Callable[[], Awaitable[Content]]
#: Tells how many pages a PDF has, None where it cannot; raises Failure for what is none.
CountPages = Callable[[Fetch], Awaitable[int | None]]

#: What may be uploaded; JSON lines are a batch's items.
UPLOAD_TYPES = frozenset(
    {"application/jsonl", "application/pdf", "image/jpeg", "image/png", "image/tiff", "image/webp"}
)

#: Enough for the header of any picture that a camera or a program writes, thumbnails and colour profiles included.
_HEAD_BYTES = 1024 * 1024
#: What looking at an upload holds in memory, however large it is: its head, twice while it grows, and a piece of it.
INSPECTED_BYTES = 2 * _HEAD_BYTES + 1024 * 1024


@dataclass(frozen=True, slots=True)
class Arrived:
    """What an upload turned out to be. `page_count` is None of what has none, and of a PDF that nobody counted."""

    content_type: str
    sha256: str
    page_count: int | None


async def examine(
    objects: Objects, name: str, *, content_type: str, size_bytes: int, count_pages: CountPages | None = None
) -> Arrived | None:
    """Compare an object with what was declared; None when there is none. The pages of a PDF are for another to count.

    Raises Refusal (422) when it is something else, and Unavailable.
    """
    facts = await objects.stat(name)
    if facts is None:
        return None
    check_size(facts.size_bytes, size_bytes)
    try:
        digest = await objects.digest(name, bytes_max=size_bytes, head_bytes=_HEAD_BYTES)
    except ValueError:  # another PUT came between
        raise invalid("#/size_bytes", "the object changed while it was read", "wrong_size") from None
    if digest is None:
        return None
    check_size(digest.size_bytes, size_bytes)
    _check_type(refine(sniff(digest.head), content_type), content_type)
    if content_type == "application/pdf" and count_pages is not None:
        return Arrived(content_type, digest.sha256, await _pdf_pages(objects, name, digest, count_pages))
    return Arrived(content_type, digest.sha256, await _page_count(objects, name, content_type, digest))


def check_size(arrived: int, declared: int) -> None:
    """Raises Refusal (422) when they differ."""
    if arrived != declared:
        raise invalid("#/size_bytes", f"{declared} bytes were declared and {arrived} arrived", "wrong_size")


def _check_type(arrived: str, declared: str) -> None:
    if arrived != declared:
        raise invalid("#/content_type", f"{declared} was declared and {arrived} arrived", "wrong_type")


async def _pdf_pages(objects: Objects, name: str, digest: Digest, count_pages: CountPages) -> int | None:
    async def fetch() -> Content:
        return await objects.spool(name, bytes_max=digest.size_bytes) or b""

    try:
        return await count_pages(fetch)
    except ValueError:  # another PUT came between
        raise invalid("#/size_bytes", "the object changed while it was read", "wrong_size") from None
    except Failure as failure:
        raise invalid("#", failure.detail, "unreadable") from None


async def _page_count(objects: Objects, name: str, content_type: str, digest: Digest) -> int | None:
    if not content_type.startswith("image/"):
        return None
    pages = await _pictures(objects, name, content_type, digest)
    if any(page.pixels > PIXELS_MAX for page in pages):
        raise invalid("#", f"the picture has more than {PIXELS_MAX // 1_000_000} megapixels", "too_many_pixels")
    return len(pages)


async def _pictures(objects: Objects, name: str, content_type: str, digest: Digest) -> tuple[Size, ...]:
    if content_type == "image/tiff":
        return await _tiff(objects, name, digest)
    size = size_of(digest.head, content_type)
    if size is None:
        raise invalid("#", "the picture's header cannot be read", "unreadable")
    return (size,)


async def _tiff(objects: Objects, name: str, digest: Digest) -> tuple[Size, ...]:
    asking = tiff_pages()
    wanted = next(asking)
    try:
        while True:
            wanted = asking.send(await _piece(objects, name, digest, *wanted))
    except StopIteration as done:
        pages: tuple[Size, ...] = done.value
        return pages
    except UnreadableError as broken:
        raise invalid("#", f"the picture's header cannot be read: {broken}", "unreadable") from None


async def _piece(objects: Objects, name: str, digest: Digest, offset: int, length: int) -> bytes:
    end = min(offset + length, digest.size_bytes)
    if offset >= end or end <= len(digest.head):
        return digest.head[offset:end]
    return await objects.get(name, bytes_max=length, offset=offset, length=end - offset) or b""
