"""Formats whose texts stand in a head or in chunks that follow each other: a few lines each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from libs.artifacts.blanks.patch import Patch, Read

__all__ = ["flac_blanks", "gltf_blanks", "jpeg_blanks", "mp3_blanks", "safetensors_blanks", "webp_blanks"]

_CHUNKS_MAX: Final = 100_000
_HEAD_BYTES_MAX: Final = 64 * 1024 * 1024
_WEBP_TEXTS: Final = {b"EXIF": 0x08, b"XMP ": 0x04}
_FLAC_PADDING, _FLAC_APPLICATION, _FLAC_COMMENT = 1, 2, 4
#: Start of frame data in a JPEG, and the segments that hold texts: a comment, Exif and XMP, IPTC.
_JPEG_SCAN: Final = 0xDA
_JPEG_TEXTS: Final = frozenset({0xFE, 0xE1, 0xED})


def webp_blanks(read: Read, size: int) -> Iterator[Patch]:
    """Exif and XMP (RFC 9649): their chunks get a name of no meaning, and the head does not promise them any more."""
    at = 12
    for _ in range(_CHUNKS_MAX):
        head = read(at, 9)
        if at >= size or len(head) < 8:  # noqa: PLR2004  # a name and a length
            return
        kind, length = head[:4], int.from_bytes(head[4:8], "little")
        if kind == b"VP8X" and len(head) > 8:  # noqa: PLR2004
            yield Patch(at + 8, bytes([head[8] & ~sum(_WEBP_TEXTS.values())]))
        if kind in _WEBP_TEXTS:
            yield Patch(at, b"JUNK")
            yield Patch(at + 8, bytes(max(0, min(length, size - at - 8))))
        at += 8 + length + length % 2


def flac_blanks(read: Read, size: int) -> Iterator[Patch]:
    """Comments and what applications left (RFC 9639) become padding."""
    at = 4
    for _ in range(_CHUNKS_MAX):
        head = read(at, 4)
        if len(head) < 4:  # noqa: PLR2004
            return
        is_last, kind, length = head[0] & 0x80, head[0] & 0x7F, int.from_bytes(head[1:])
        if kind in (_FLAC_COMMENT, _FLAC_APPLICATION):
            yield Patch(at, bytes([is_last | _FLAC_PADDING]))
            yield Patch(at + 4, bytes(max(0, min(length, size - at - 4))))
        if is_last:
            return
        at += 4 + length


def mp3_blanks(read: Read, size: int) -> Iterator[Patch]:
    """The tag before the sound (ID3v2): zeros where a frame would begin are padding."""
    head = read(0, 10)
    if head[:3] == b"ID3" and len(head) == 10:  # noqa: PLR2004
        length = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(reversed(head[6:10])))
        yield Patch(5, bytes([head[5] & 0x10]))  # without an extended head
        yield Patch(10, bytes(min(length, size - 10)))


def jpeg_blanks(read: Read, size: int) -> Iterator[Patch]:
    """Comments, Exif, XMP and IPTC, their segments zeroed."""
    at = 2
    for _ in range(_CHUNKS_MAX):
        head = read(at, 4)
        if len(head) < 4 or head[0] != 0xFF or head[1] == _JPEG_SCAN:  # noqa: PLR2004
            return
        length = int.from_bytes(head[2:])
        if head[1] in _JPEG_TEXTS:
            yield Patch(at + 4, bytes(max(0, min(length - 2, size - at - 4))))
        at += 2 + length


def safetensors_blanks(read: Read, size: int) -> Iterator[Patch]:
    """The member `__metadata__` of the head."""
    yield from _json_blanks(read, 8, int.from_bytes(read(0, 8), "little"), size, _without_tensors_notes)


def gltf_blanks(read: Read, size: int) -> Iterator[Patch]:
    """What stands beside the model in the first chunk of a binary glTF (2.0, section 4): every `extras`."""
    head = read(12, 8)
    if head[4:] == b"JSON":
        yield from _json_blanks(read, 20, int.from_bytes(head[:4], "little"), size, _without_extras)


def _without_tensors_notes(found: Any) -> Any:
    return {name: one for name, one in found.items() if name != "__metadata__"} if isinstance(found, dict) else found


def _without_extras(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: _without_extras(one) for name, one in found.items() if name != "extras"}
    return [_without_extras(one) for one in found] if isinstance(found, list) else found


def _json_blanks(read: Read, at: int, length: int, size: int, clean: Callable[[Any], Any]) -> Iterator[Patch]:
    """JSON written anew without some of it, and spaces behind it; as it was where it would have become longer."""
    if not 0 < length <= min(size - at, _HEAD_BYTES_MAX):
        return
    try:
        found = clean(json.loads(read(at, length)))
    except (RecursionError, ValueError):
        return
    text = json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()
    if len(text) <= length:
        yield Patch(at, text.ljust(length))
