"""WebM and Matroska (RFC 8794, RFC 9559): the element Tags becomes one that is Void."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from libs.artifacts.blanks.patch import Patch, Read

__all__ = ["matroska_blanks"]

_SEGMENT: Final = b"\x18\x53\x80\x67"
_TEXTS: Final = frozenset({b"\x12\x54\xc3\x67", b"\x19\x41\xa4\x69"})  # Tags, Attachments
_VOID: Final = b"\xec"
_HEAD_BYTES: Final = 12
_ID_BYTES_MAX, _SIZE_BYTES_MAX = 4, 8
#: A Void with its length told in eight bytes.
_VOID_HEAD_BYTES: Final = 9
_ELEMENTS_MAX: Final = 100_000


def matroska_blanks(read: Read, size: int) -> Iterator[Patch]:
    """The elements of texts; what stands behind one whose length is not told is not seen."""
    at, end = 0, size
    for _ in range(_ELEMENTS_MAX):
        found = _element(read(at, _HEAD_BYTES))
        if found is None or at >= end:
            return
        name, head_bytes, length = found
        if name == _SEGMENT:
            at, end = at + head_bytes, min(size, at + head_bytes + length) if length is not None else size
            continue
        if length is None or at + head_bytes + length > size:
            return
        whole = head_bytes + length
        if name in _TEXTS and whole >= _VOID_HEAD_BYTES:
            told = (1 << 56 | whole - _VOID_HEAD_BYTES).to_bytes(8)
            yield Patch(at, _VOID + told + bytes(whole - _VOID_HEAD_BYTES))
        at += whole


def _element(head: bytes) -> tuple[bytes, int, int | None] | None:
    """Name, bytes of the head and length of an element; a length that is not told is None."""
    id_bytes = _width(head[:1], _ID_BYTES_MAX)
    size_bytes = _width(head[id_bytes : id_bytes + 1], _SIZE_BYTES_MAX) if id_bytes else 0
    if not size_bytes or len(head) < id_bytes + size_bytes:
        return None
    bits = 7 * size_bytes
    told = int.from_bytes(head[id_bytes : id_bytes + size_bytes]) & ((1 << bits) - 1)
    return head[:id_bytes], id_bytes + size_bytes, None if told == (1 << bits) - 1 else told


def _width(first: bytes, most: int) -> int:
    """How many bytes a number has, going by the zeros that its first one begins with; 0 where it is none."""
    if not first or not first[0]:
        return 0
    width = 9 - first[0].bit_length()
    return width if width <= most else 0
