"""The events that webhooks tell of: `<family>.<word>`; a job's words are its statuses."""

from __future__ import annotations

from typing import Final

__all__ = ["BATCH_EVENTS", "DEFAULT_EVENTS", "EVENTS", "JOB_ENDINGS", "JOB_EVENTS", "PING"]

JOB_EVENTS: Final = (
    "job.scheduled",
    "job.queued",
    "job.running",
    "job.succeeded",
    "job.failed",
    "job.canceled",
    "job.expired",
)
#: What is told of a job when nobody says.
JOB_ENDINGS: Final = ("job.succeeded", "job.failed", "job.canceled", "job.expired")
#: What is told of a batch; it has one of them.
BATCH_EVENTS: Final = ("batch.finished", "batch.canceled")

#: What an endpoint may ask for, and what it is told of when nobody says.
EVENTS: Final = (*JOB_EVENTS, *BATCH_EVENTS)
DEFAULT_EVENTS: Final = (*JOB_ENDINGS, *BATCH_EVENTS)

#: What an endpoint is told to try it; nobody asks for it.
PING: Final = "webhook.ping"
