"""How large a picture is, read from its header: before anything is decoded, and without a decoder's trust.

Pure. A header that lies is caught by whoever decodes; a header that is broken gives None.
"""

from __future__ import annotations

import struct
from collections.abc import Generator
from dataclasses import dataclass

__all__ = ["TIFF_PAGES_MAX", "Size", "UnreadableError", "size_of", "tiff_pages"]

_WEBP_HEADER_BYTES = 30

TIFF_PAGES_MAX = 100
_TIFF_ENTRIES_MAX = 256
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_TIFF_SHORT, _TIFF_LONG = 3, 4

#: JPEG markers that carry no length, and those of a frame header (ITU-T T.81, table B.1).
_JPEG_MARK = 0xFF
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_JPEG_FRAME = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


class UnreadableError(ValueError):
    """A file's header breaks its own format, or asks for more than we are willing to read."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        """The area."""
        return self.width * self.height


def size_of(data: bytes, content_type: str) -> Size | None:
    """The size of a PNG, JPEG, WEBP or GIF from its beginning; None for other types and for broken headers."""
    read = {"image/png": _png, "image/jpeg": _jpeg, "image/webp": _webp, "image/gif": _gif}.get(content_type)
    if read is None:
        return None
    try:
        size = read(data)
    except (struct.error, IndexError):
        return None
    return size if size and size.pixels else None


def tiff_pages() -> Generator[tuple[int, int], bytes, tuple[Size, ...]]:
    """The sizes of a TIFF's pages (TIFF 6.0, section 2), asked for piece by piece: a directory may lie anywhere.

    Yields (offset, bytes wanted) and is sent that many bytes, or fewer at the end of the file. Raises UnreadableError.
    """
    head = yield (0, 8)
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(head[:4])
    if order is None:
        raise UnreadableError("this is no TIFF")
    pages: list[Size] = []
    try:
        (offset,) = struct.unpack_from(order + "I", head, 4)
        while offset:
            if len(pages) == TIFF_PAGES_MAX:
                raise UnreadableError(f"the file has more than {TIFF_PAGES_MAX} pages")
            size, offset = _tiff_page((yield (offset, 2 + 12 * _TIFF_ENTRIES_MAX + 4)), order)
            pages.append(size)
    except struct.error:
        raise UnreadableError("the file ends before its directory") from None
    return tuple(pages)


def _tiff_page(directory: bytes, order: str) -> tuple[Size, int]:
    (count,) = struct.unpack_from(order + "H", directory)
    if count > _TIFF_ENTRIES_MAX:
        raise UnreadableError(f"a directory has more than {_TIFF_ENTRIES_MAX} entries")
    found: dict[int, int] = {}
    for at in range(2, 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", directory, at)
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT) and kind in (_TIFF_SHORT, _TIFF_LONG):
            (found[tag],) = struct.unpack_from(order + ("H" if kind == _TIFF_SHORT else "I"), directory, at + 8)
    size = Size(found.get(_TIFF_WIDTH, 0), found.get(_TIFF_HEIGHT, 0))
    if not size.pixels:
        raise UnreadableError("a page has no size")
    (following,) = struct.unpack_from(order + "I", directory, 2 + 12 * count)
    return size, following


def _png(data: bytes) -> Size | None:
    return Size(*struct.unpack_from(">II", data, 16)) if data[12:16] == b"IHDR" else None


def _gif(data: bytes) -> Size:
    return Size(*struct.unpack_from("<HH", data, 6))


def _webp(data: bytes) -> Size | None:
    if len(data) < _WEBP_HEADER_BYTES:
        return None
    chunk = data[12:16]
    if chunk == b"VP8X":  # 24 bits each, less one
        return Size(1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little"))
    if chunk == b"VP8L":  # 14 bits each, less one, behind a signature byte
        (bits,) = struct.unpack_from("<I", data, 21)
        return Size(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if chunk == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":  # 14 bits each; the upper two scale
        width, height = struct.unpack_from("<HH", data, 26)
        return Size(width & 0x3FFF, height & 0x3FFF)
    return None


def _jpeg(data: bytes) -> Size | None:
    at = 2
    while data[at] == _JPEG_MARK:
        marker = data[at + 1]
        if marker == _JPEG_MARK:  # fill bytes may stand before a marker
            at += 1
        elif marker in _JPEG_BARE:
            at += 2
        elif marker in _JPEG_FRAME:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return Size(width, height)
        else:
            (length,) = struct.unpack_from(">H", data, at + 2)
            at += 2 + max(length, 2)
    return None
