"""Ogg (RFC 3533) with Opus (RFC 7845) or Vorbis: the second packet holds the comments, and may take many pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from libs.artifacts.blanks.patch import Patch, Read

__all__ = ["crc", "ogg_blanks"]

_HEAD_BYTES: Final = 27
_CRC_AT: Final = 22
_OPUS, _VORBIS = b"OpusTags", b"\x03vorbis"
_PAGES_MAX: Final = 4_096
_COMMENTS_BYTES_MAX: Final = 64 * 1024 * 1024
_POLYNOMIAL: Final = 0x04C11DB7
_FULL: Final = 255


def _table() -> tuple[int, ...]:
    found = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ _POLYNOMIAL if value & 0x80000000 else value << 1) & 0xFFFFFFFF
        found.append(value)
    return tuple(found)


_TABLE: Final = _table()


def ogg_blanks(read: Read, size: int) -> Iterator[Patch]:
    """The comments of the first stream, none of them left; nothing where their packet cannot be found."""
    pages = list(_pages(read, size))
    spans = list(_second_packet(pages))
    packet = b"".join(read(offset, length) for offset, length in spans)
    blank = _without_comments(packet)
    if blank is None:
        return
    at, written = 0, {}
    for offset, length in spans:
        written[offset] = blank[at : at + length]
        at += length
    for page, head_bytes, lacing in pages:
        whole = bytearray(read(page, head_bytes + sum(lacing)))
        touched = [offset for offset in written if page <= offset < page + len(whole)]
        for offset in touched:
            whole[offset - page : offset - page + len(written[offset])] = written[offset]
        if touched:
            whole[_CRC_AT : _CRC_AT + 4] = bytes(4)
            whole[_CRC_AT : _CRC_AT + 4] = crc(whole).to_bytes(4, "little")
            yield Patch(page, bytes(whole))


def crc(page: bytes | bytearray) -> int:
    """The checksum of a page whose own is zero."""
    value = 0
    for byte in page:
        value = (value << 8 ^ _TABLE[value >> 24 ^ byte]) & 0xFFFFFFFF
    return value


def _pages(read: Read, size: int) -> Iterator[tuple[int, int, bytes]]:
    """Where each of the first pages begins, how long its head is, and its lacing values."""
    at = 0
    for _ in range(_PAGES_MAX):
        head = read(at, _HEAD_BYTES)
        if at >= size or len(head) < _HEAD_BYTES or not head.startswith(b"OggS"):
            return
        lacing = read(at + _HEAD_BYTES, head[26])
        yield at, _HEAD_BYTES + len(lacing), lacing
        at += _HEAD_BYTES + len(lacing) + sum(lacing)


def _second_packet(pages: list[tuple[int, int, bytes]]) -> Iterator[tuple[int, int]]:
    """Where the pieces of the second packet stand, and how long each is."""
    packet = 0
    for page, head_bytes, lacing in pages:
        at = page + head_bytes
        for length in lacing:
            if packet == 1:
                yield at, length
            at += length
            packet += length < _FULL
            if packet > 1:
                return


def _without_comments(packet: bytes) -> bytes | None:
    """The packet with a vendor as long as everything that stood in it, and no comment; None where it is none."""
    for name, ending in ((_OPUS, b""), (_VORBIS, b"\x01")):
        left = len(packet) - len(name) - len(ending) - 8
        if packet.startswith(name) and 0 <= left <= _COMMENTS_BYTES_MAX:
            return name + left.to_bytes(4, "little") + b" " * left + bytes(4) + ending
    return None
