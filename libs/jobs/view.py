"""The JSON that a caller sees of a job, in the API and in a webhook alike.

Times are RFC 3339, in UTC, to the millisecond.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from libs.artifacts.artifact import Artifact
from libs.artifacts.objects import Objects
from libs.jobs.job import Job

__all__ = ["SignedUrl", "artifact_view", "job_view", "signed_url", "stamp"]

#: A presigned URL, and when it lapses in ms since the epoch.
SignedUrl = tuple[str, int]


def stamp(at_ms: float | None) -> str | None:
    """`2026-11-21T23:12:00.123Z`, or None for what has not happened."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def job_view(
    job: Job,
    sign: Callable[[Job, Artifact], SignedUrl],
    *,
    queue_position: int | None = None,
    estimated_start_at_ms: float | None = None,
) -> dict[str, Any]:
    """A job; `sign` makes the URL of one of its artifacts."""
    path = f"/api/v1/jobs/{job.id}"
    return {
        "id": job.id,
        "kind": job.kind,
        "status": job.status,
        "cached": job.cached,
        "progress": job.progress,
        "queue_position": queue_position,
        "estimated_start_at": stamp(estimated_start_at_ms),
        "attempt": job.attempt,
        "priority": job.priority,
        "input": job.input,
        "output": job.output,
        "artifacts": [artifact_view(artifact, sign(job, artifact)) for artifact in job.artifacts],
        "error": job.error,
        "usage": _usage(job),
        "metadata": job.metadata,
        "fairness_key": job.fairness_key,
        "retry_of": job.retry_of,
        "batch_id": job.batch_id,
        "batch_index": job.item,
        "created_at": stamp(job.created_at_ms),
        "run_at": stamp(job.run_at_ms),
        "started_at": stamp(job.started_at_ms),
        "finished_at": stamp(job.finished_at_ms),
        "cancel_requested_at": stamp(job.cancel_requested_at_ms),
        "deadline_at": stamp(job.deadline_at_ms),
        "links": {
            "self": path,
            "events": f"{path}/events",
            "artifacts": f"{path}/artifacts",
            "cancel": f"{path}/cancel",
        },
    }


def artifact_view(artifact: Artifact, signed: SignedUrl) -> dict[str, Any]:
    """An artifact, with a URL to fetch it by."""
    url, lapses_at_ms = signed
    return {
        "name": artifact.name,
        "content_type": artifact.content_type,
        "size_bytes": artifact.size_bytes,
        "sha256": artifact.sha256,
        **artifact.facts,
        "url": url,
        "url_expires_at": stamp(lapses_at_ms),
    }


def signed_url(objects: Objects, job: Job, artifact: Artifact) -> SignedUrl:
    """A presigned URL of one of the job's artifacts, good for as long as its user's plan says."""
    url = objects.presigned_get(
        artifact.object_name,
        job.artifact_url_ttl_s,
        filename=artifact.name,
        content_type=artifact.content_type,
    )
    return url, time.time_ns() // 1_000_000 + job.artifact_url_ttl_s * 1000


def _usage(job: Job) -> dict[str, Any]:
    waited_until_ms = job.started_at_ms or job.finished_at_ms
    waited_s = None if waited_until_ms is None else (waited_until_ms - job.created_at_ms) / 1000
    return {"queue_seconds": waited_s, "run_seconds": job.run_ms / 1000, "units": job.units}
