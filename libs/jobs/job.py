"""A job as it is stored: every field, and who writes it.

The record is a Redis HASH. Fields may be added, never renamed; readers ignore what they do not know. Small values
only, so that Redis keeps the hash compact: while a job is unfinished its input lives in ARQ's payload, and moves
into the record (`payload`) when the job ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from libs.artifacts.artifact import Artifact
from libs.jobs.payload import decode_payload
from libs.jobs.status import FINISHED, Status

__all__ = ["RETENTION_S_MIN", "Job", "read_job"]

#: A record outlives its idempotency memory (`IDEMPOTENCY_KEPT_S` in ending.lua): a replay must find the job.
RETENTION_S_MIN = 86_400


@dataclass(frozen=True, slots=True)
class Job:
    """A job. Times are milliseconds of Redis's clock since the epoch; None where it has not happened."""

    # written by admission, once
    id: str
    user_id: str
    api_key_id: str
    kind: str
    queue: str
    input: dict[str, Any]
    units: int
    priority: int
    created_at_ms: int
    deadline_at_ms: int
    run_at_ms: int | None
    fairness_key: str | None
    metadata: dict[str, Any]
    retry_of: str | None
    retention_s: int
    artifact_url_ttl_s: int
    batch_id: str | None = None
    item: int | None = None
    traceparent: str | None = None
    webhook: bytes | None = None
    webhook_to: bytes | None = None
    # moved by the scripts
    status: Status = "queued"
    cached: bool = False
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    releases: int = 0
    started_at_ms: int | None = None
    finished_at_ms: int | None = None
    cancel_requested_at_ms: int | None = None
    run_ms: int = 0
    version: int = 0
    # written under the fence by whoever holds the attempt
    progress: dict[str, Any] | None = None
    output: dict[str, Any] | None = None
    artifacts: tuple[Artifact, ...] = ()
    error: dict[str, Any] | None = None
    last_event: str | None = None
    #: What its record and payload take, without the names of members.
    stored_bytes: int = field(default=0, compare=False)

    @property
    def finished(self) -> bool:
        """Whether the status is final."""
        return self.status in FINISHED

    @property
    def kept_until_ms(self) -> int | None:
        """When the retention of its record and its artifacts ends; None before the job has."""
        if self.finished_at_ms is None:
            return None
        return self.finished_at_ms + max(self.retention_s, RETENTION_S_MIN) * 1_000


def _int(value: bytes | None) -> int | None:
    return None if value is None else int(value)


def _json(value: bytes | None) -> Any:
    return None if value is None else orjson.loads(value)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _input_in(payload: bytes | None) -> dict[str, Any]:
    """The input; empty where a newer version wrote it, which only its worker need understand."""
    try:
        return decode_payload(payload).input if payload else {}
    except ValueError:
        return {}


def read_job(job_id: str, record: Mapping[bytes, bytes], payload: bytes | None = None) -> Job:
    """Build a job from its record, and from ARQ's payload while it is unfinished."""
    get = record.get
    stored = get(b"payload", payload)
    return Job(
        id=job_id,
        user_id=record[b"user"].decode(),
        api_key_id=record[b"key"].decode(),
        kind=record[b"kind"].decode(),
        queue=record[b"queue"].decode(),
        input=_input_in(stored),
        units=int(get(b"units", 1)),
        priority=int(get(b"priority", 0)),
        created_at_ms=int(record[b"created"]),
        deadline_at_ms=int(record[b"deadline"]),
        run_at_ms=_int(get(b"run_at")),
        fairness_key=_text(get(b"fairness_key")),
        metadata=_json(get(b"metadata")) or {},
        retry_of=_text(get(b"retry_of")),
        retention_s=int(get(b"retention", 0)),
        artifact_url_ttl_s=int(get(b"url_ttl", 0)),
        batch_id=_text(get(b"batch")),
        item=_int(get(b"item")),
        traceparent=_text(get(b"traceparent")),
        webhook=get(b"webhook"),
        webhook_to=get(b"webhook_to"),
        status=record[b"status"].decode(),  # type: ignore[arg-type]
        cached=b"cached" in record,
        attempt=int(get(b"attempt", 0)),
        failures=int(get(b"failures", 0)),
        crashes=int(get(b"crashes", 0)),
        releases=int(get(b"releases", 0)),
        started_at_ms=_int(get(b"started")),
        finished_at_ms=_int(get(b"finished")),
        cancel_requested_at_ms=_int(get(b"cancel")),
        run_ms=int(get(b"run_ms", 0)),
        version=int(get(b"version", 0)),
        progress=_json(get(b"progress")),
        output=_json(get(b"output")),
        artifacts=tuple(Artifact.from_json(entry) for entry in _json(get(b"artifacts")) or ()),
        error=_json(get(b"error")),
        last_event=_text(get(b"last_event")),
        stored_bytes=sum(map(len, record.values())) + len(payload or b""),
    )
