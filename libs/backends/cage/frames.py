"""How a process and its children talk: frames of msgpack, four bytes of length (big-endian) before each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import msgpack

__all__ = ["FRAME_BYTES_MAX", "PREFIX_BYTES", "body_size", "pack", "read", "unpack", "write"]

PREFIX_BYTES = 4
FRAME_BYTES_MAX = 64 * 1024 * 1024


def body_size(head: bytes) -> int:
    """How many bytes follow a prefix; raises ValueError when they are too many to be a frame of ours."""
    size_bytes = int.from_bytes(head, "big")
    _check(size_bytes)
    return size_bytes


def pack(message: Mapping[str, Any]) -> bytes:
    """A frame that says `message`; raises ValueError when it is too large for one."""
    body: bytes = msgpack.packb(message)
    _check(len(body))
    return len(body).to_bytes(PREFIX_BYTES, "big") + body


def unpack(body: bytes) -> dict[str, Any]:
    """What a frame's body says; raises ValueError when it is no message."""
    message = msgpack.unpackb(body)
    if not isinstance(message, dict):
        raise ValueError("the message is no map")  # noqa: TRY004  # a broken frame is one error, whatever broke
    return message


def write(file: int, message: Mapping[str, Any]) -> None:
    """Say something, by plain writes, in a process that is one's own to hold up."""
    left = memoryview(pack(message))
    while left:
        left = left[os.write(file, left) :]


def read(file: int, head: bytes = b"") -> dict[str, Any] | None:
    """The next message, of which `head` has come already; None when the other end hung up. By plain reads."""
    head += _take(file, PREFIX_BYTES - len(head))
    return unpack(_take(file, body_size(head))) if len(head) == PREFIX_BYTES else None


def _take(file: int, size_bytes: int) -> bytes:
    found = bytearray()
    while len(found) < size_bytes and (came := os.read(file, size_bytes - len(found))):
        found += came
    return bytes(found)


def _check(size_bytes: int) -> None:
    if size_bytes > FRAME_BYTES_MAX:
        raise ValueError(f"a frame of {size_bytes} bytes is over {FRAME_BYTES_MAX}")
