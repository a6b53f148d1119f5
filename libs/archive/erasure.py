"""Forgetting what the archive holds of a user who is being erased."""

from __future__ import annotations

from libs.archive.agenda import note_name
from libs.archive.logs import LOG_KEPT_S, LogSegment
from libs.archive.segment import Segment
from libs.artifacts.objects import Objects

__all__ = ["erase_archive"]

_PAGE = 1_000


async def erase_archive(objects: Objects, user_id: str) -> None:
    """Remove the user's segments, after the notes on them, which their names tell. Raises Unavailable."""
    after = None
    while page := await objects.list(f"{user_id}/archive/", after=after, limit=_PAGE):
        await objects.remove_each([note for facts in page if (note := _note_on(facts.name)) is not None])
        await objects.remove_each([facts.name for facts in page])
        after = page[-1].name


def _note_on(name: str) -> str | None:
    jobs, log = Segment.named(name), LogSegment.named(name)
    if jobs is not None:
        return jobs.note_name
    return None if log is None else note_name(name, log.last[0] // 1_000 + LOG_KEPT_S)
