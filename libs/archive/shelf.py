"""Reading archived jobs: one by its id, a user's newest first."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from itertools import groupby

from anyio import to_thread

from libs.archive.segment import Segment, day_of, find_line, lines_of, read_line, segments_prefix
from libs.artifacts.objects import Objects
from libs.errors import Unavailable
from libs.jobs.job import Job, read_job

__all__ = ["SEGMENT_OBJECT_BYTES_MAX", "Shelf", "read_segment"]

#: An object that is larger is none of ours: a record has a body of 10 MiB at most.
SEGMENT_OBJECT_BYTES_MAX = 128 * 1024 * 1024
_PAGE = 1_000


@dataclass(slots=True)
class Shelf:
    """The archived jobs in a bucket. `reads` counts the segments that were read."""

    objects: Objects
    reads: int = 0

    async def find(self, user_id: str, job_id: str) -> Job | None:
        """The user's archived job of that id, None when there is none or its retention is over. Raises Unavailable."""
        lines: list[bytes] = []
        async for segment in self._segments(user_id, day_of(job_id), through=job_id):
            if segment.first <= job_id:
                data = await self._read(segment)
                line = None if data is None else await to_thread.run_sync(find_line, data, job_id)
                lines += [line] if line is not None else []
        return _newest(lines) if lines else None

    async def which(self, user_id: str, job_ids: Sequence[str]) -> set[str]:
        """Those of these jobs, given in order of id, that the archive holds, even past their retention."""
        found: set[str] = set()
        for day, of_day in groupby(job_ids, key=day_of):
            wanted = list(of_day)
            async for segment in self._segments(user_id, day, through=wanted[0]):
                if segment.first <= wanted[-1]:
                    data = await self._read(segment)
                    lines = [] if data is None else await to_thread.run_sync(lambda data: list(lines_of(data)), data)
                    found |= {job_id for job_id, _ in lines}
        return found.intersection(job_ids)

    async def newest_first(self, user_id: str, before: str | None) -> AsyncGenerator[tuple[str, Job | None]]:
        """The user's archived jobs before an id, each once: its id, and None for one whose retention is over.

        Reads a segment when it comes to it, so whoever has enough may stop. Raises Unavailable.
        """
        days = await self.objects.folders(segments_prefix(user_id))
        for folder in sorted(days, reverse=True):
            day = folder.rstrip("/").rpartition("/")[2]
            if before is None or day <= day_of(before):
                async for job_id, lines in self._of_day(user_id, day, before):
                    yield job_id, _newest(lines)

    async def _of_day(self, user_id: str, day: str, before: str | None) -> AsyncGenerator[tuple[str, list[bytes]]]:
        """A day's lines by job, newest first. Segments may overlap and, where a worker died, hold a job twice."""
        segments = [one async for one in self._segments(user_id, day) if before is None or one.first < before]
        segments.sort(key=lambda one: one.last)
        lines: list[tuple[str, bytes]] = []
        while segments or lines:
            while segments and (not lines or segments[-1].last >= lines[-1][0]):
                data = await self._read(segments.pop())
                more = [] if data is None else await to_thread.run_sync(lambda data: list(lines_of(data)), data)
                lines = sorted([*lines, *(one for one in more if before is None or one[0] < before)])
            if lines:
                job_id = lines[-1][0]
                same = []
                while lines and lines[-1][0] == job_id:
                    same.append(lines.pop()[1])
                yield job_id, same

    async def _segments(self, user_id: str, day: str, through: str = "") -> AsyncGenerator[Segment]:
        """The segments of a day that end with the job `through` or later."""
        prefix = segments_prefix(user_id, day)
        after = f"{prefix}{through}"
        while page := await self.objects.list(prefix, after=after, limit=_PAGE):
            for facts in page:
                segment = Segment.named(facts.name)
                if segment is not None:
                    yield segment
            after = page[-1].name

    async def _read(self, segment: Segment) -> bytes | None:
        self.reads += 1
        return await read_segment(self.objects, segment)


async def read_segment(objects: Objects, segment: Segment) -> bytes | None:
    """A segment's object; None when it was removed meanwhile. Raises Unavailable."""
    try:
        return await objects.get(segment.object_name, bytes_max=SEGMENT_OBJECT_BYTES_MAX)
    except ValueError:
        raise Unavailable("objects", f"{segment.object_name} is no segment of ours") from None


def _newest(lines: list[bytes]) -> Job | None:
    """Of one job's lines the latest version; None when its retention is over."""
    job = max((read_job(*read_line(line)) for line in lines), key=lambda job: job.version)
    return job if job.kept_until_ms is None or job.kept_until_ms > time.time_ns() // 1_000_000 else None
