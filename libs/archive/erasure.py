"""Forgetting what the archive knows of a user who is being erased, beside what lies below the user's own name."""

from __future__ import annotations

from libs.archive.segment import Segment, segments_prefix
from libs.artifacts.objects import Objects

__all__ = ["erase_agenda"]

_PAGE = 1_000


async def erase_agenda(objects: Objects, user_id: str) -> None:
    """Remove the notes of the user's segments; to be done before the segments go, whose names tell them."""
    prefix, after = segments_prefix(user_id), None
    while page := await objects.list(prefix, after=after, limit=_PAGE):
        segments = [Segment.named(facts.name) for facts in page]
        await objects.remove_each([one.note_name for one in segments if one is not None])
        after = page[-1].name
