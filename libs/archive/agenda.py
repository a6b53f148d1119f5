"""The agenda: what is to be removed from the archive, and when.

One small object for each segment, named by the hour in which it is due, so that what is due is one listing, whether
Redis remembers anything or not. A note is written before its segment: nothing can be kept for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from libs.artifacts.objects import Objects

__all__ = ["AGENDA", "Note", "due_notes", "note_name", "write_note"]

AGENDA = "archive/agenda/"

_HOUR = "%Y-%m-%dT%H"
_PAGE = 100
_NAME_BYTES_MAX = 1_024  # S3 allows no longer one


@dataclass(frozen=True, slots=True)
class Note:
    """A note, and the object it is about."""

    name: str
    about: str


def note_name(about: str, due_s: int) -> str:
    """The note on an object that is due at a time: in the hour after it."""
    hour = datetime.fromtimestamp(due_s, UTC) + timedelta(hours=1)
    return f"{AGENDA}{hour:{_HOUR}}/{hashlib.sha256(about.encode()).hexdigest()[:32]}"


async def write_note(objects: Objects, about: str, due_s: int) -> None:
    """Note that an object is to be looked at then. Raises Unavailable."""
    await objects.put(note_name(about, due_s), about.encode(), "text/plain")


async def due_notes(objects: Objects, now_s: float) -> AsyncGenerator[Note]:
    """What is due, the oldest first; whoever has done it removes the note. Raises Unavailable."""
    hour, after = f"{datetime.fromtimestamp(now_s, UTC):{_HOUR}}", None
    while page := await objects.list(AGENDA, after=after, limit=_PAGE):
        for facts in page:
            if facts.name.removeprefix(AGENDA)[: len(hour)] > hour:
                return
            about = await objects.get(facts.name, bytes_max=_NAME_BYTES_MAX)
            if about is not None:
                yield Note(facts.name, about.decode(errors="replace"))
        after = page[-1].name
