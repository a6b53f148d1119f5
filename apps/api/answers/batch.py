"""What the routes of batches answer, as models; see `answer`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from apps.api.answers.answer import Answer, Count, Time
from libs.jobs.status import Status

__all__ = ["Batch", "BatchItem", "DetectedBatch"]


class BatchCounts(Answer):
    """Items by status; an item that is no job yet is queued."""

    queued: Count
    running: Count
    succeeded: Count
    failed: Count
    canceled: Count
    expired: Count


class BatchResults(Answer):
    """The file of all results: JSON lines, one an item, in the order of the items."""

    content_type: str
    size_bytes: Count
    sha256: str
    url: str
    url_expires_at: Time


class BatchLinks(Answer):
    """Where to go from a batch."""

    self: str
    items: str
    cancel: str
    results: str


class Batch(Answer):
    """A batch. It is finished, or canceled, once all of its items have ended and the results are stored."""

    id: str
    kind: str
    status: Literal["running", "finished", "canceled"]
    items: Count
    counts: BatchCounts
    units: Count
    priority: int
    fairness_key: str | None
    metadata: dict[str, Any]
    results: BatchResults | None
    created_at: Time
    finished_at: Time | None
    cancel_requested_at: Time | None
    deadline_at: Time
    links: BatchLinks


class BatchArtifact(Answer, extra="allow"):
    """A file that an item's job left behind; the job has its URL."""

    name: str
    content_type: str
    size_bytes: Count
    sha256: str


class BatchItem(Answer):
    """An item. `output` is null where it is large (`output_bytes` tells): the job and the results have it whole."""

    index: Count
    job_id: str | None
    status: Status
    cached: bool = Field(description="Whether the result of an earlier job was taken: at once, and free of charge")
    output: dict[str, Any] | None
    output_bytes: Count
    artifacts: list[BatchArtifact]
    error: dict[str, Any] | None
    metadata: dict[str, Any]
    fairness_key: str | None


class DetectedBatch(Answer):
    """What was found in each image, in their order."""

    batch: Batch
    data: list[BatchItem]
