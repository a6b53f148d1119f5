"""What the worker and its OCR children say to each other.

Each message is a frame: four bytes of length, big-endian, and so many bytes behind them. A request is two frames
(what is asked, as msgpack, and the file as it is), a reply one. Replies to a request end with `done` or `failure`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import msgpack

__all__ = [
    "FRAME_BYTES_MAX",
    "PREFIX_BYTES",
    "Bounds",
    "EngineName",
    "Language",
    "Request",
    "body_size",
    "pack",
    "prefix",
    "unpack",
]

EngineName = Literal["rapidocr", "tesseract"]
Language = Literal["en", "cs", "da", "de", "es", "fi", "fr", "it", "nl", "no", "pl", "pt", "sv", "tr"]

PREFIX_BYTES = 4
FRAME_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a child may use. `page_s` bounds the time of a page, as CPU seconds of each thread in the child."""

    threads: int
    memory_bytes_max: int
    page_s: float
    tesseract: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked about a file: its pages by an engine or, with no engine, only how many there are.

    `searchable` asks for a PDF of the pages with their text behind the picture, after the last page.
    """

    content_type: str
    engine: EngineName | None = None
    language: Language = "en"
    searchable: bool = False


def prefix(size_bytes: int) -> bytes:
    """What goes before a frame of that size; raises ValueError when a frame may not be so large."""
    if size_bytes > FRAME_BYTES_MAX:
        raise ValueError(f"a frame of {size_bytes} bytes is over {FRAME_BYTES_MAX}")
    return size_bytes.to_bytes(PREFIX_BYTES, "big")


def body_size(head: bytes) -> int:
    """How many bytes follow a prefix; raises ValueError when they are too many to be a frame of ours."""
    size_bytes = int.from_bytes(head, "big")
    prefix(size_bytes)
    return size_bytes


def pack(message: Mapping[str, Any] | Request) -> bytes:
    """A frame that says `message`."""
    body: bytes = msgpack.packb(asdict(message) if isinstance(message, Request) else message)
    return prefix(len(body)) + body


def unpack(body: bytes) -> dict[str, Any]:
    """What a frame's body says; raises ValueError when it is no message."""
    message = msgpack.unpackb(body)
    if not isinstance(message, dict):
        raise ValueError("the message is no map")  # noqa: TRY004  # a broken frame is one error, whatever broke
    return message
