"""What a backend was handed, and whoever it is done for.

Below the kinds, so that a backend's client can resume, record and stop a submission without knowing what a job is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Submission", "Watcher"]


@dataclass(frozen=True, slots=True)
class Submission:
    """What was handed to a backend, written to the job's record before the call, so that a crash can be resumed.

    `backend` is the server's name, `ref` the id we gave it there (ComfyUI: the prompt id), `number` counts from 1.
    """

    backend: str
    ref: str
    number: int


class Watcher(Protocol):
    """The side of an attempt that a backend's client sees; `libs.kinds.kind.Attempt` tells what each member means."""

    @property
    def job_id(self) -> str:
        """The job's id."""

    @property
    def submission(self) -> Submission | None:
        """What an earlier attempt submitted."""

    @property
    def stop_reason(self) -> str | None:
        """Why the work is being stopped, once CancelledError is raised in it."""

    async def submitted(self, submission: Submission) -> None:
        """Record a submission; to be awaited before the backend is called."""

    async def progress(self, done: float, total: float, message: str = "") -> None:
        """Report progress."""

    async def log(self, message: str) -> None:
        """Tell the job's followers one line."""

    async def preview(self, picture: bytes, content_type: str) -> None:
        """Show a small picture of the work so far."""
