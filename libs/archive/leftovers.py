"""Uploads in parts that were begun and that no record knows: their parts lie in the store, and no list shows them.

A record goes with its upload and gives up what was begun; what is left here comes of a Redis that was restored, or of a
process that died between the two. Only what is a week old, which is longer than any of its URLs works. Some stores tell
only of beginnings under a name they are asked for (MinIO), and end them by themselves after a day.
"""

from __future__ import annotations

from libs.archive.place import Place
from libs.artifacts.objects import Objects
from libs.store.client import Store

__all__ = ["give_up_leftovers"]


async def give_up_leftovers(store: Store, objects: Objects, older_than_s: float) -> int:
    """Give up those that were begun before that time; how many. Raises Unavailable."""
    given_up = 0
    for begun in await objects.list_begun():
        place = Place.named(begun.name)
        if place is None or begun.begun_at.timestamp() >= older_than_s:
            continue
        known = await store.call("HGET", store.keys.upload + place.of, "multipart")
        if known != begun.id.encode():
            await objects.abort_parts(begun.name, begun.id)
            given_up += 1
    return given_up
