"""The JSON that a caller sees of what is stored. Times are RFC 3339, in UTC, to the millisecond."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from libs.access.api_key import ApiKey
from libs.access.user import User
from libs.artifacts.artifact import Artifact
from libs.artifacts.upload import Upload
from libs.jobs.job import Job

__all__ = [
    "SignedUrl",
    "api_key_view",
    "artifact_view",
    "job_view",
    "limits_view",
    "rates_view",
    "stamp",
    "upload_view",
    "user_view",
]

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


def user_view(user: User) -> dict[str, Any]:
    """A user, as an admin sees them; the admin API calls the plan `role`."""
    return {
        "id": user.id,
        "email": user.email,
        "role": user.plan,
        "status": user.status,
        "overrides": dict(user.overrides),
        "created_at": stamp(user.created_at_ms),
    }


def api_key_view(api_key: ApiKey) -> dict[str, Any]:
    """An API key without its secret, which nobody has any more."""
    return {
        "id": api_key.id,
        "user_id": api_key.user_id,
        "name": api_key.name,
        "scopes": sorted(api_key.scopes),
        "hint": api_key.hint,
        "created_at": stamp(api_key.created_at_ms),
        "expires_at": stamp(api_key.expires_at_ms),
        "revoked_at": stamp(api_key.revoked_at_ms),
        "last_used_at": stamp(api_key.last_used_at_ms),
        "limits": rates_view(api_key.rates),
        "addresses": list(api_key.networks),
        "replaces": api_key.replaces,
        "replaced_by": api_key.replaced_by,
        "pepper": api_key.pepper,
    }


def rates_view(rates: Mapping[str, int]) -> dict[str, int]:
    """The rates of an API key itself, where it has any."""
    return {f"{bucket}_per_minute": rate for bucket, rate in rates.items()}


def upload_view(upload: Upload) -> dict[str, Any]:
    """An upload; `url` and `method` are told only where it was created."""
    return {
        "id": upload.id,
        "status": upload.status,
        "filename": upload.filename,
        "content_type": upload.content_type,
        "size_bytes": upload.size_bytes,
        "sha256": upload.sha256,
        "page_count": upload.page_count,
        "created_at": stamp(upload.created_at_ms),
        "expires_at": stamp(upload.expires_at_ms),
        "links": {
            "self": f"/api/v1/uploads/{upload.id}",
            "complete": f"/api/v1/uploads/{upload.id}/complete",
        },
    }


def limits_view(limits: Any) -> dict[str, int | None]:
    """The numbers of a plan as they hold for one caller; null is unlimited."""
    return asdict(limits)


def _usage(job: Job) -> dict[str, Any]:
    waited_until_ms = job.started_at_ms or job.finished_at_ms
    waited_s = None if waited_until_ms is None else (waited_until_ms - job.created_at_ms) / 1000
    return {"queue_seconds": waited_s, "run_seconds": job.run_ms / 1000, "units": job.units}
