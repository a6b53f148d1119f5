"""MP4 and QuickTime (ISO/IEC 14496-12): boxes in boxes, some of texts. One named `free` has no meaning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from libs.artifacts.blanks.patch import Patch, Read

__all__ = ["movie_blanks"]

_TEXTS: Final = frozenset({b"udta", b"meta", b"uuid"})
_FOLDERS: Final = frozenset({b"moov", b"trak", b"moof", b"traf", b"mdia"})
_HEAD_BYTES, _LONG_HEAD_BYTES = 8, 16
_BOXES_MAX: Final = 100_000


def movie_blanks(read: Read, size: int) -> Iterator[Patch]:
    """Every box of texts, of the whole movie and of each track, emptied."""
    coming = [(0, size)]
    for _ in range(_BOXES_MAX):
        if not coming:
            return
        at, end = coming.pop()
        head = read(at, _LONG_HEAD_BYTES)
        length, kind = int.from_bytes(head[:4]), head[4:8]
        head_bytes = _HEAD_BYTES
        if length == 1:
            length, head_bytes = int.from_bytes(head[8:16]), _LONG_HEAD_BYTES
        length = length or end - at
        if len(head) < _HEAD_BYTES or length < head_bytes or at + length > end:
            continue
        if at + length + _HEAD_BYTES <= end:
            coming.append((at + length, end))
        if kind in _FOLDERS:
            coming.append((at + head_bytes, at + length))
        elif kind in _TEXTS:
            yield Patch(at + 4, b"free")
            yield Patch(at + head_bytes, bytes(length - head_bytes))
