"""Identifiers: a type prefix, 48 bits of time in milliseconds, 80 random bits, in Crockford's base 32.

The layout is ULID's (github.com/ulid/spec), lower case: `job_01jd3f8x5e0000000000000000`. Ids of one type
sort by the time they were made, and cannot be guessed.
"""

from __future__ import annotations

import hashlib
import os
import re
import time

__all__ = ["derived_id", "first_id", "is_id", "made_at_ms", "new_id"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_SHAPE = re.compile(r"[a-z]{2,6}_[0-7][0-9a-hjkmnp-tv-z]{25}", re.ASCII)


def new_id(prefix: str) -> str:
    """A new id, 26 characters behind `prefix_`."""
    return _spelled(prefix, time.time_ns() // 1_000_000, os.urandom(10))


def derived_id(prefix: str, parent: str, number: int) -> str:
    """The id of the `number`th thing of another thing: always the same, and sorted by the number.

    Nobody guesses it who does not know the parent's id: its 80 bits are a digest of that.
    """
    digest = hashlib.sha256(f"{parent} {number}".encode()).digest()
    return _spelled(prefix, made_at_ms(parent) + number, digest[:10])


def made_at_ms(text: str) -> int:
    """When an id was made, by the clock of the machine that made it, in ms since the epoch."""
    value = 0
    for character in text.rpartition("_")[2][:10]:
        value = value << 5 | _ALPHABET.index(character)
    return value


def _spelled(prefix: str, at_ms: int, random: bytes) -> str:
    value = (at_ms << 80) | int.from_bytes(random, "big")
    return prefix + "_" + "".join([_PAIRS[(value >> shift) & 1023] for shift in range(120, -1, -10)])


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` has the shape of an id of that type; ids of any other shape need not be looked up."""
    return text.startswith(prefix + "_") and _SHAPE.fullmatch(text) is not None


def first_id(prefix: str, at_ms: int) -> str:
    """What sorts before every id of that type made at or after a time."""
    return _spelled(prefix, at_ms, b"")
