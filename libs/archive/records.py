"""Job records, wherever they are: in Redis while they are young, in the archive afterwards."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from libs.archive.shelf import Shelf
from libs.artifacts.objects import Objects
from libs.errors import Refusal
from libs.ids import is_id, made_at_ms
from libs.jobs.job import Job
from libs.jobs.lookup import Page, Wanted, find_any_job, find_job, newest_first, page_of
from libs.jobs.reading import find_outline
from libs.store.cells import Cells

__all__ = ["Records"]

#: At most so many segments are read for one page.
_READS_MAX = 16
#: Nothing that is younger lies in the archive, whatever the setting was; clocks may be off by as much as that.
_YOUNG_S_MAX = 3_600
_SKEW_S = 600

Found = AsyncGenerator[tuple[str, Job | None]]


class Records:
    """What the API and whoever tells about jobs read them through. Everything raises Unavailable."""

    def __init__(self, cells: Cells, objects: Objects, age_s: float) -> None:
        """`age_s` is how long after its end a job moves to the archive."""
        self._cells = cells
        self._objects = objects
        self._young_ms = int((min(age_s, _YOUNG_S_MAX) - _SKEW_S) * 1_000)

    async def find_job(self, user_id: str, job_id: str) -> Job | None:
        """The user's job of that id, or None; somebody else's job is none."""
        job = await find_job(self._cells.home_of(user_id), user_id, job_id)
        if job is not None or not is_id(job_id, "job") or not self._may_be_archived(job_id):
            return job
        return await Shelf(self._objects).find(user_id, job_id)

    async def find_outline(self, job_id: str, user_id: str | None) -> Job | None:
        """How the job of that id fares, whoever's it is: without its input, output, metadata and artifacts."""
        job = await find_outline(self._cells.shared, job_id)
        return job if job is not None or user_id is None else await self.find_job(user_id, job_id)

    async def find_any_job(self, job_id: str, user_id: str | None) -> Job | None:
        """The job of that id, whoever's it is, or None; one in the archive is found by its user."""
        job = await find_any_job(self._cells.shared, job_id)
        return job if job is not None or user_id is None else await self.find_job(user_id, job_id)

    async def load_job(self, user_id: str, job_id: str) -> Job:
        """The user's job of that id, or Refusal `not_found`: the same for no job and for somebody else's."""
        job = await self.find_job(user_id, job_id)
        if job is None:
            raise Refusal("not_found", "There is no such job")
        return job

    async def list_jobs(
        self, user_id: str, wanted: Wanted, *, limit: int, before: str | None = None, outline: bool = False
    ) -> Page:
        """A page of a user's jobs, newest first; it may be short, even empty, and have a `before` to go on from.

        With `outline` those in Redis are read as `find_outline` does.
        """
        shelf = Shelf(self._objects)
        home = self._cells.home_of(user_id)
        live = newest_first(home, user_id, before, limit + 1, wanted, outline=outline)
        jobs = self._newest_first(live, shelf, user_id, before)
        return await page_of(jobs, wanted, limit, enough=lambda: shelf.reads >= _READS_MAX)

    async def _newest_first(self, live: Found, shelf: Shelf, user_id: str, before: str | None) -> Found:
        """Both sources as one, each job once. The archive is not asked while Redis has younger ones than it can."""
        archived = shelf.newest_first(user_id, before)
        async with aclosing(live), aclosing(archived):
            ours = await anext(live, None)
            while ours is not None and not self._may_be_archived(ours[0]):
                yield ours
                ours = await anext(live, None)
            theirs = await anext(archived, None) if self._may_be_archived(user_id) else None
            while ours is not None or theirs is not None:
                job_id = max(one[0] for one in (ours, theirs) if one is not None)
                here = ours is not None and ours[0] == job_id
                there = theirs is not None and theirs[0] == job_id
                yield job_id, (ours[1] if here and ours else None) or (theirs[1] if there and theirs else None)
                ours = await anext(live, None) if here else ours
                theirs = await anext(archived, None) if there else theirs

    def _may_be_archived(self, made: str) -> bool:
        """Whether what has that id is old enough to be, or to have something, in the archive."""
        return made_at_ms(made) + self._young_ms <= time.time_ns() // 1_000_000
