"""What a node says of its error, without what only the operator should see: paths, addresses and tokens. Pure."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["scrubbed"]

#: In this order: an address may hold a host, and a token what looks like a path.
_HIDDEN: Final = (
    (re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>)\]]+", re.IGNORECASE), "[address]"),
    (re.compile(r"\b(?:bearer|basic)\s+[\w.~+/=-]+", re.IGNORECASE), "[token]"),
    (
        re.compile(
            r"\b[\w-]*(?:api[_-]?key|token|secret|password|passwd)[\w-]*['\"]?\s*[=:]\s*['\"]?[^\s'\",;)]+",
            re.IGNORECASE,
        ),
        "[token]",
    ),
    (re.compile(r"\b(?:sk|pk|hf|ghp|gho|r8|xox[abp]|eyJ)[_-]?[A-Za-z0-9._-]{12,}"), "[token]"),
    (
        re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z0-9_+-]*[0-9])(?=[A-Za-z0-9_+-]*[A-Za-z])[A-Za-z0-9_+-]{32,}={0,2}"),
        "[token]",
    ),
    (re.compile(r"\\\\[^\s'\"<>|]+|\b[A-Za-z]:[\\/][^\s'\"<>|]*"), "[path]"),
    (re.compile(r"(?<![\w.])(?:~|\.{1,2})?/(?:[\w.@+-]+/)*[\w.@+-]+/?"), "[path]"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\[[0-9a-fA-F:]*:[0-9a-fA-F:]*\](?::\d+)?"), "[host]"),
    (
        re.compile(
            r"\b(?:[a-z0-9-]+\.)+(?:com|net|org|io|ai|dev|cloud|local|internal|lan|svc|corp)\b(?::\d+)?", re.IGNORECASE
        ),
        "[host]",
    ),
    (re.compile(r"\b(?:localhost|[a-zA-Z][\w-]*)(?::\d{2,5})\b"), "[host]"),
)


def scrubbed(text: str) -> str:
    """The text with a word in place of each; what remains says what went wrong."""
    for pattern, word in _HIDDEN:
        text = pattern.sub(word, text)
    return text
