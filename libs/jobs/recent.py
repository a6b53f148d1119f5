"""The newest jobs of all users, for admins.

Every admission leaves its ids in one stream that keeps the newest 100,000: enough to see what goes on, and bounded.
Older jobs are found through their user.
"""

from __future__ import annotations

import asyncio

from libs.jobs.job import Job
from libs.jobs.lookup import Finder, Page, Wanted, finder_in
from libs.store.client import Store

__all__ = ["list_recent"]

_SCAN_MAX = 1_000


async def list_recent(
    store: Store, wanted: Wanted, *, limit: int, before: str = "", find: Finder | None = None
) -> Page:
    """A page, newest first; `before` of it is the stream's id to go on from. `find` may find archived jobs.

    At most 1,000 jobs are looked at for one page: a page may be short, even empty, and still have more behind it.
    """
    found: list[Job] = []
    find = find or finder_in(store)
    seen, start = 0, f"({before}" if before else "+"
    while seen < _SCAN_MAX:
        entries = await store.call("XREVRANGE", store.keys.recent, start, "-", "COUNT", limit + 1)
        jobs = await asyncio.gather(*[find(words[1].decode(), words[3].decode()) for _entry_id, words in entries])
        for (entry_id, _words), job in zip(entries, jobs, strict=True):
            if job is not None and wanted.fits(job):
                if len(found) == limit:
                    return Page(tuple(found), start[1:])
                found.append(job)
            start = f"({entry_id.decode()}"
        if len(entries) <= limit:
            return Page(tuple(found), None)
        seen += len(entries)
    return Page(tuple(found), start[1:])
