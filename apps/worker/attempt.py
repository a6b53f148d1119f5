"""One attempt at a job, as its handler sees it: the live side of `libs.kinds.kind.Attempt`."""

from __future__ import annotations

import asyncio
import base64
import logging
from typing import Any

import orjson

from libs.artifacts.objects import Objects
from libs.artifacts.sharing import share_upload
from libs.artifacts.uploads import UploadedFile, open_upload
from libs.backends.backends import Backends
from libs.errors import Unavailable
from libs.jobs.lifecycle import FencedError, report
from libs.jobs.status import StopReason
from libs.kinds.kind import Library, Submission
from libs.queue.patience import through_outages
from libs.queue.running import Running
from libs.store.client import Store

__all__ = ["LiveAttempt"]

log = logging.getLogger(__name__)

_PROGRESS_S = 0.5
_PREVIEW_BYTES_MAX = 64 * 1024
_LOG_CHARACTERS_MAX = 2_000


class LiveAttempt:
    """Reports under the attempt's fence. What cannot be told because Redis is away is dropped: the work goes on."""

    def __init__(
        self,
        running: Running,
        store: Store,
        objects: Objects,
        backends: Backends,
        library: Library,
        upload_bytes_max: int,
    ) -> None:
        """Made for one claim, thrown away at its end."""
        self._running = running
        self._store = store
        self._objects = objects
        self._upload_bytes_max = upload_bytes_max
        self._latest: dict[str, Any] | None = None
        self._told: dict[str, Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._told_at = -_PROGRESS_S
        self._telling: set[asyncio.Task[None]] = set()
        self.backends = backends.at(running.claim.server)
        self.library = library
        self.submission = _read_submission(running.claim.submission)

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self._running.claim.job_id

    @property
    def number(self) -> int:
        """Which attempt this is, from 1."""
        return self._running.claim.attempt

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the handler was stopped."""
        return self._running.stop_reason

    async def submitted(self, submission: Submission) -> None:
        """Record a submission before the backend is called, through an outage of Redis if need be."""
        stored = {"backend": submission.backend, "ref": submission.ref, "number": submission.number}
        fence = self._running.claim.fence
        try:
            await through_outages(lambda: report(self._store, self.job_id, fence, member="submission", value=stored))
        except FencedError:
            self._running.stop("lost")
            await asyncio.sleep(0)  # where the handler is interrupted
        self.submission = submission

    async def progress(self, done: float, total: float, message: str = "") -> None:
        """Publish progress, at most twice a second; in between the latest report waits for its turn.

        What says nothing new is not told: backends say some things twice.
        """
        fraction = min(1.0, max(0.0, done / total)) if total > 0 else 0.0
        reported = {"fraction": round(fraction, 4), "step": done, "steps": total, "message": message}
        if self._latest is None and reported == self._told:
            return
        self._latest = reported
        wait_s = self._told_at + _PROGRESS_S - asyncio.get_running_loop().time()
        if wait_s <= 0:
            await self._tell_progress()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._tell_progress_soon)

    async def log(self, message: str) -> None:
        """Tell the job's followers one line."""
        await self._tell("log", {"message": message[:_LOG_CHARACTERS_MAX]})

    async def preview(self, picture: bytes, content_type: str) -> None:
        """Show the job's followers a picture of the work so far; large ones are dropped."""
        if len(picture) <= _PREVIEW_BYTES_MAX:
            data = base64.b64encode(picture).decode()
            await self._tell("preview", {"content_type": content_type, "data": data})

    async def open(self, upload_id: str) -> UploadedFile:
        """The bytes of a completed upload of this job's user."""
        user_id = self._running.claim.user_id
        return await open_upload(self._store, self._objects, user_id, upload_id, bytes_max=self._upload_bytes_max)

    async def share(self, upload_id: str) -> str | None:
        """An address that it can be fetched from by those outside, where there is one."""
        return await share_upload(self._store, self._objects, self._running.claim.user_id, upload_id)

    async def settle(self) -> None:
        """Tell what progress was held back: the record's last word on it is the handler's."""
        if self._latest is not None:
            await self._tell_progress()

    def close(self) -> None:
        """Nothing more is told."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._telling:
            task.cancel()

    def _tell_progress_soon(self) -> None:
        task = asyncio.ensure_future(self._tell_progress())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell_progress(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._told_at = asyncio.get_running_loop().time()
        latest, self._latest = self._latest, None
        if latest is not None:
            self._told = latest
            await self._tell("progress", latest, member="progress")

    async def _tell(self, event: str, data: dict[str, Any], member: str = "") -> None:
        claim = self._running.claim
        try:
            await report(self._store, claim.job_id, claim.fence, event=event, data=data, member=member, value=data)
        except Unavailable as error:
            log.debug("job %s could not tell: %s", claim.job_id, error)
        except FencedError:
            self._running.stop("lost")


def _read_submission(stored: bytes | None) -> Submission | None:
    if not stored:
        return None
    members = orjson.loads(stored)
    return Submission(members["backend"], members["ref"], members["number"])
