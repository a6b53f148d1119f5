"""Identifiers: a type prefix, 48 bits of time in milliseconds, 80 random bits, in Crockford's base 32.

The layout is ULID's (github.com/ulid/spec), lower case: `job_01jd3f8x5e0000000000000000`. Ids of one type
sort by the time they were made, and cannot be guessed.
"""

from __future__ import annotations

import os
import re
import time

__all__ = ["is_id", "new_id"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_SHAPE = re.compile(r"[a-z]{2,6}_[0-7][0-9a-hjkmnp-tv-z]{25}", re.ASCII)


def new_id(prefix: str) -> str:
    """A new id, 26 characters behind `prefix_`."""
    value = (time.time_ns() // 1_000_000 << 80) | int.from_bytes(os.urandom(10), "big")
    return prefix + "_" + "".join([_PAIRS[(value >> shift) & 1023] for shift in range(120, -1, -10)])


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` has the shape of an id of that type; ids of any other shape need not be looked up."""
    return text.startswith(prefix + "_") and _SHAPE.fullmatch(text) is not None
