"""An attempt for the tests of handlers and clients: it remembers what it is told, and is stopped by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from libs.artifacts.uploads import UploadedFile
from libs.backends.backends import Backends
from libs.backends.comfyui import ComfyUI
from libs.backends.prediction import Predictions
from libs.backends.submission import Submission
from libs.backends.vision import Vision
from libs.egress import Egress
from libs.errors import Failure
from libs.jobs.status import StopReason
from libs.kinds.kind import Library
from tests.fakes.library import FakeLibrary

__all__ = ["FakeAttempt", "stop"]


@dataclass
class FakeAttempt:
    """Implements `libs.kinds.kind.Attempt`. `comfyui` and `ocr` are what its backends are made of."""

    job_id: str = "job_00000000000000000000000000"
    number: int = 1
    submission: Submission | None = None
    stop_reason: StopReason | None = None
    comfyui: ComfyUI = field(default_factory=lambda: ComfyUI(None))
    ocr: Any = None
    vision: Vision = field(default_factory=Vision)
    egress: Egress = field(default_factory=Egress)
    predictions: Predictions = field(default_factory=Predictions)
    uploads: Mapping[str, UploadedFile] = field(default_factory=dict)
    library: Library = field(default_factory=FakeLibrary)
    #: Called with each submission before it is recorded: a test looks there whether the backend was called too soon.
    before_submitted: Callable[[Submission], None] | None = None

    submissions: list[Submission] = field(default_factory=list)
    reports: list[tuple[float, float, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    previews: list[tuple[bytes, str]] = field(default_factory=list)
    reported: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def backends(self) -> Backends:
        return Backends(self.comfyui, cast("Any", self.ocr), self.vision, self.egress, self.predictions)

    async def submitted(self, submission: Submission) -> None:
        if self.before_submitted:
            self.before_submitted(submission)
        self.submissions.append(submission)

    async def progress(self, done: float, total: float, message: str = "") -> None:
        self.reports.append((done, total, message))
        if message == "sampling":
            self.reported.set()

    async def log(self, message: str) -> None:
        self.lines.append(message)

    async def preview(self, picture: bytes, content_type: str) -> None:
        self.previews.append((picture, content_type))

    async def open(self, upload_id: str) -> UploadedFile:
        try:
            return self.uploads[upload_id]
        except KeyError:
            raise Failure("upload_not_found", "there is no such upload", fault="caller") from None

    async def share(self, upload_id: str) -> str | None:
        await self.open(upload_id)
        return None

    def next_attempt(self) -> FakeAttempt:
        """The attempt of whoever takes the job over: it knows the last submission, and nothing else."""
        last = self.submissions[-1] if self.submissions else self.submission
        return FakeAttempt(self.job_id, self.number + 1, last, comfyui=self.comfyui, ocr=self.ocr, uploads=self.uploads)


async def stop(task: asyncio.Task[Any], attempt: FakeAttempt, reason: StopReason) -> None:
    """Stop a handler as a worker does: say why, then cancel, then wait for its end."""
    attempt.stop_reason = reason
    task.cancel()
    await asyncio.wait({task})
