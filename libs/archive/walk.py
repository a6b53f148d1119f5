"""The walk: through all objects of all users, by name, a page at a time, for those that nothing refers to any more.

It finds what nobody else would: objects of jobs and uploads whose record is gone, stored by a worker that woke up after
its job was over, or left by a Redis that was restored from an older backup. It removes only what is a week old, only of
users it knows, and only what has a name it understands: where Redis was lost, the bucket is all there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import groupby

from libs.archive.drift import end_round, note_page
from libs.archive.leftovers import give_up_leftovers
from libs.archive.place import Place
from libs.archive.shelf import Shelf
from libs.artifacts.objects import ObjectFacts, Objects
from libs.ids import is_id
from libs.store.client import Store

__all__ = ["GRACE_S", "Place", "find_orphans", "walk_on"]

#: How old an object must be before nothing referring to it makes it an orphan.
GRACE_S = 7 * 86_400
_REST_S = 6 * 3_600
_PAGE = 1_000
_USERS = "usr_"


async def walk_on(store: Store, objects: Objects, now_s: float) -> int:
    """Go on by one page and remove its orphans; how many. At the end come parts that nobody will complete, and a rest
    of six hours. Raises Unavailable.
    """
    after, rests_until = await store.call("HMGET", store.keys.walk, "after", "rests_until")
    if rests_until is not None and now_s < float(rests_until) <= now_s + _REST_S:  # later: the clock has stepped back
        return 0
    page = await objects.list(_USERS, after=after.decode() if after else None, limit=_PAGE)
    if not page:
        await end_round(store)
        given_up = await give_up_leftovers(store, objects, now_s - GRACE_S)
        await store.call("HDEL", store.keys.walk, "after")
        await store.call("HSET", store.keys.walk, "rests_until", int(now_s + _REST_S))
        return given_up
    old = [facts for facts in page if facts.modified_at is not None and facts.modified_at.timestamp() < now_s - GRACE_S]
    orphans = await find_orphans(store, objects, old)
    await objects.remove_each([facts.name for facts in orphans])
    await note_page(store, [facts for facts in page if facts not in orphans])
    await store.call("HSET", store.keys.walk, "after", page[-1].name)
    return len(orphans)


async def find_orphans(store: Store, objects: Objects, page: Iterable[ObjectFacts]) -> list[ObjectFacts]:
    """Those whose user exists and whose job, upload or batch does not, neither in Redis nor in the archive."""
    placed = [(facts, place) for facts in page if (place := Place.named(facts.name)) is not None]
    gone: set[Place] = set()
    for user_id, group in groupby(dict.fromkeys(place for _, place in placed), key=lambda place: place.user_id):
        if await store.call("EXISTS", store.keys.user + user_id):
            gone |= await _gone(store, objects, user_id, list(group))
    return [facts for facts, place in placed if place in gone]


async def _gone(store: Store, objects: Objects, user_id: str, places: Sequence[Place]) -> set[Place]:
    keys = store.keys
    heads = {"job": keys.job, "upload": keys.upload, "batch": keys.batch}
    found = await asyncio.gather(
        *[store.call("EXISTS", heads[place.of.partition("_")[0]] + place.of) for place in places]
    )
    missing = {place for place, exists in zip(places, found, strict=True) if not exists}
    jobs = sorted(place.of for place in missing if is_id(place.of, "job"))
    archived = await Shelf(objects).which(user_id, jobs)
    return {place for place in missing if place.of not in archived}
