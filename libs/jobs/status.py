"""The statuses of a job, and what each means.

::

    scheduled ──► queued ◄──► running ──► succeeded | failed | canceled
        │            └──────────────────► expired | canceled
        └───────────────────────────────► canceled

A finished job never changes its status again.
"""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["FINISHED", "STATUSES", "Status", "StopReason"]

Status = Literal["scheduled", "queued", "running", "succeeded", "failed", "canceled", "expired"]

#: What moves a job out of each status.
STATUSES: Final[dict[Status, str]] = {
    "scheduled": "waits for its `run_at`; the first claim after it makes the job queued",
    "queued": "waits for its turn (or for a retry's); a claim makes it running, its deadline makes it expired",
    "running": "a worker holds its lease, or it waits at a provider; an ending or a rescue moves it",
    "succeeded": "the output and every artifact are committed",
    "failed": "its attempts are used up, it cannot succeed, or it was given up after crashes (dead)",
    "canceled": "its user asked for it in time",
    "expired": "its deadline passed before it ran; it costs nothing",
}

#: Why a running attempt is stopped. Only `canceled` and `timed_out` end the work at the backend as well: a job that is
#: `released` (drain) or whose lease is `lost` goes on elsewhere and resumes what was submitted.
StopReason = Literal["canceled", "timed_out", "released", "lost"]

FINISHED: Final = frozenset({"succeeded", "failed", "canceled", "expired"})
