"""Following a job for one reader, over whatever carries the events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator

import orjson

from apps.api.state import ApiState
from apps.api.views.job import job_json
from libs.access.caller import Caller
from libs.errors import Refusal
from libs.jobs.events import Event, Following, id_before, order_of
from libs.jobs.job import Job

__all__ = ["follow", "read_event_id"]


async def follow(api: ApiState, caller: Caller, job_id: str, last_id: str | None) -> AsyncGenerator[Event, None]:
    """The events of a caller's job, `done` last.

    They begin behind `last_id` where what followed it is still kept, and otherwise with a `snapshot` of the present
    state, so that nobody can miss the end. A job that is there no more ends them with `gone`. Raises Unavailable, and
    SlowReaderError for a reader that lags too far.
    """
    async with api.resources.events.following(job_id) as following:
        told = _Told(api, caller, job_id, following)
        try:
            async for event in told.since(last_id):
                yield event
        except JobGoneError:
            yield Event(told.last, "gone", orjson.dumps({"id": job_id}))


class JobGoneError(Exception):
    """The job that is followed vanished: erased, past its retention, or lost with a Redis that was restored."""


class _Told:
    """What one reader of one job is told."""

    def __init__(self, api: ApiState, caller: Caller, job_id: str, following: Following) -> None:
        self._api = api
        self._caller = caller
        self._job_id = job_id
        self._following = following
        self.last = "0-0"

    async def since(self, last_id: str | None) -> AsyncGenerator[Event, None]:
        after = last_id
        if after is None or not await self._kept_since(after):
            after = self.last = await self._following.last_id()
            job = await self._load()
            for event in self._state(after, job):
                yield event
            if job.finished:
                return
        async for event in self._following.events(after):
            self.last = event.id
            if event.type == "gap":
                job = await self._load()
                for shown in self._state(event.id, job):
                    yield shown
                if job.finished:
                    return
            elif event.type == "done":
                yield self._showing("done", event.id, await self._load())
            else:
                yield event

    async def _kept_since(self, last_id: str) -> bool:
        """Whether nothing behind that event was trimmed away; an id from the future is none of this stream's."""
        first, last = await asyncio.gather(self._following.first_id(), self._following.last_id())
        return first is not None and order_of(first) <= order_of(last_id) <= order_of(last)

    async def _load(self) -> Job:
        try:
            return await self._api.resources.records.load_job(self._caller.user_id, self._job_id)
        except Refusal as refusal:
            raise JobGoneError from refusal

    def _state(self, event_id: str, job: Job) -> Iterator[Event]:
        """A snapshot of a job that is over has an id before that of `done`: whoever comes back with it gets that."""
        if not job.finished:
            yield self._showing("snapshot", event_id, job)
            return
        end = job.last_event or event_id
        yield self._showing("snapshot", min(event_id, id_before(end), key=order_of), job)
        yield self._showing("done", end, job)

    def _showing(self, kind: str, event_id: str, job: Job) -> Event:
        return Event(event_id, kind, orjson.dumps(job_json(self._api.resources, job)))


def read_event_id(text: str | None) -> str | None:
    """A `Last-Event-ID`; refuses what is none of a stream's ids."""
    if text is None:
        return None
    try:
        order_of(text)
    except ValueError:
        raise Refusal("malformed_request", "Last-Event-ID is none of this stream's ids") from None
    return text
