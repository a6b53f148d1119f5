"""Conditional requests (RFC 9110, 13): whether the caller has already what they would be sent."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["is_known"]

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def is_known(if_none_match: Sequence[str], etag: str) -> bool:
    """Whether one of the tags in these header lines is this one, weak or strong alike (13.1.2), or is `*`: any."""
    wanted = etag.removeprefix("W/")
    return any(line.strip() == "*" or wanted in _TAG.findall(line) for line in if_none_match)
