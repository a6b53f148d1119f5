"""Logging: one line a record on standard error, as JSON for machines or as text for people.

Secrets never reach a line: what looks like an API key, a bearer credential, a password in a URL or a URL's signature
is struck out, wherever it comes from. Members given as `extra={"members": {...}}` become members of the JSON object.
"""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

import orjson

__all__ = ["JsonLines", "TextLines", "redacted", "set_up"]

#: Libraries that tell at DEBUG what goes over the wire: headers and messages, which are callers' own words.
_TALKATIVE = ("httpcore", "urllib3", "uvicorn", "websockets")

_SECRETS = re.compile(
    r"""(?P<key>aq_(?:live|adm)_)[0-9A-Za-z]+"""
    r"""|(?P<scheme>\bbearer\s+)[^\s"',;\\]+"""
    r"""|(?P<userinfo>\b[a-z][a-z0-9+.-]*://[^\s/@:"\\]*:)[^\s/@"\\]+(?=@)"""
    r"""|(?P<signature>[?&](?:x-amz-signature|x-amz-credential|x-amz-security-token|token)=)[^\s&"\\]+""",
    re.IGNORECASE | re.ASCII,
)


def redacted(text: str) -> str:
    """The text without its secrets."""
    if not _may_hold_a_secret(text):
        return text
    return _SECRETS.sub(lambda found: f"{next(filter(None, found.groups()))}***", text)


def _may_hold_a_secret(text: str) -> bool:
    """Cheap signs of one; most lines have none and need no further look. Written out, since every line pays for it."""
    return (
        "aq_" in text
        or "earer" in text
        or "EARER" in text
        or "://" in text
        or "mz-" in text
        or "MZ-" in text
        or "oken=" in text
        or "OKEN=" in text
    )


class JsonLines(logging.Formatter):
    """`{"at","level","logger","message",…}`: the record's members follow, and `trace` when something was raised."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        line: dict[str, Any] = {
            "at": _stamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_members(record),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return redacted(orjson.dumps(line, default=repr).decode())


class TextLines(logging.Formatter):
    """`12:00:00.000 INFO  message  member=value …` for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the trace below it when something was raised."""
        members = "".join(f"  {name}={value}" for name, value in _members(record).items())
        line = f"{_stamp(record.created)[11:23]} {record.levelname:<8} {record.getMessage()}{members}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return redacted(line)


def set_up(level: str = "INFO", form: Literal["json", "text"] = "json") -> None:
    """Send every record of this process to standard error; called once, at the top of a process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells each URL, signature included
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLogger().level))
    # Facts that no line of ours tells need not be gathered for every record (docs.python.org/3/howto/logging.html).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001  # the documented switch for file and line


def _members(record: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = record.__dict__.get("members", {})
    return found


def _stamp(seconds: float) -> str:
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    """Most lines fall into the second of the line before."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
