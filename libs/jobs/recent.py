"""The newest jobs of all users, for admins.

Every admission leaves its ids in one stream that keeps the newest 100,000: enough to see what goes on, and bounded.
Older jobs are found through their user.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from libs.jobs.job import Job
from libs.jobs.lookup import Finder, Page, Wanted, finder_in, page_of
from libs.store.client import Store
from libs.store.stream import Entry, Older, newest_first

__all__ = ["list_recent"]


async def list_recent(
    store: Store,
    wanted: Wanted,
    *,
    limit: int,
    before: str = "",
    find: Finder | None = None,
    older: Older | None = None,
) -> Page:
    """A page, newest first; `before` of it is the stream's id to go on from. See `libs.jobs.lookup.page_of`.

    `find` may find archived jobs, and `older` read archived admissions.
    """
    entries = newest_first(store, store.keys.recent, before, limit + 1, older)
    return await page_of(_looked_up(entries, find or finder_in(store), limit + 1), wanted, limit)


async def _looked_up(
    entries: AsyncGenerator[Entry], find: Finder, at_once: int
) -> AsyncGenerator[tuple[str, Job | None]]:
    """Each entry's id and its job, looked up so many at a time."""
    async with aclosing(entries):
        while some := [one async for one in _first(entries, at_once)]:
            jobs = await asyncio.gather(*[find(words[1].decode(), words[3].decode()) for _entry_id, words in some])
            for (entry_id, _words), job in zip(some, jobs, strict=True):
                yield entry_id.decode(), job


async def _first(entries: AsyncGenerator[Entry], count: int) -> AsyncGenerator[Entry]:
    for _ in range(count):
        one = await anext(entries, None)
        if one is None:
            return
        yield one
