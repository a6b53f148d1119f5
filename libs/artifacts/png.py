"""What a PNG says beside its picture, and taking that away. Pure; nothing is decoded.

ComfyUI writes the whole graph into the pictures that it saves.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

__all__ = ["without_texts"]

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
#: Chunks that hold text for people and programs (PNG 1.2, 4.2.3 and its extension for Exif).
_TEXTS: Final = frozenset({b"tEXt", b"zTXt", b"iTXt", b"eXIf"})
_FRAME_BYTES: Final = 12  # a chunk's length, type and checksum


def without_texts(png: bytes) -> bytes:
    """The same picture without its texts; what is no PNG, or a damaged one, is cut where it cannot be read."""
    return _SIGNATURE + b"".join(chunk for kind, chunk in _chunks(png) if kind not in _TEXTS)


def _chunks(png: bytes) -> Iterator[tuple[bytes, memoryview]]:
    whole, at = memoryview(png), len(_SIGNATURE)
    while at + _FRAME_BYTES <= len(whole):
        (length,) = struct.unpack_from(">I", whole, at)
        end = at + _FRAME_BYTES + length
        if end > len(whole):
            return
        yield bytes(whole[at + 4 : at + 8]), whole[at:end]
        at = end
