"""What the worker, its decoders and its engines say to each other.

A decoder is given the file, and says `page_count`; for each `next` it leaves a page's pixels (RGB, row by row) and says
`page`, its size; told to `bind` what was read, it leaves a searchable PDF. An engine is given a Request along with
those pixels, and says `page`. Either may say `failure`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Bounds", "EngineName", "Language", "Request"]

EngineName = Literal["rapidocr", "tesseract"]
Language = Literal["en", "cs", "da", "de", "es", "fi", "fr", "it", "nl", "no", "pl", "pt", "sv", "tr"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an engine may use. `page_s` bounds the time of a page, as CPU seconds of each thread in it."""

    threads: int
    memory_bytes_max: int
    page_s: float
    tesseract: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """A page to read, of that many pixels."""

    engine: EngineName
    language: Language
    number: int
    width: int
    height: int
