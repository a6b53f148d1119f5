"""A batch, as it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson

from libs.artifacts.names import batch_prefix
from libs.ids import derived_id, made_at_ms
from libs.jobs.status import STATUSES, Status

__all__ = ["ITEM_STATUSES", "Batch", "BatchStatus", "block_name", "prefix_of", "read_batch", "results_name"]

BatchStatus = Literal["running", "finished", "canceled"]

#: The statuses that items have; they are never scheduled.
ITEM_STATUSES: Final = tuple(status for status in STATUSES if status != "scheduled")
_COUNT = "items:"


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch. Times are milliseconds of Redis's clock since the epoch; None where it has not happened.

    Items whose turn is `next_item` or later have not become jobs yet; those from `rest_from` on never will, and have
    `rest_status`. With `has_turns` they take turns (see `turns`), else each item's turn is its index.
    """

    id: str
    user_id: str
    api_key_id: str
    kind: str
    queue: str
    status: BatchStatus
    items: int
    next_item: int
    left: int
    units: int
    block_items: int
    created_at_ms: int
    deadline_at_ms: int
    retention_s: int
    artifact_url_ttl_s: int
    counts: Mapping[Status, int]
    priority: int = 0
    fairness_key: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    traceparent: str | None = None
    webhook: bytes | None = None
    webhook_to: bytes | None = None
    cancel_requested_at_ms: int | None = None
    finished_at_ms: int | None = None
    rest_from: int | None = None
    rest_status: Status = "canceled"
    results_bytes: int = 0
    results_sha256: str = ""
    kept_at_ms: int = 0
    has_turns: bool = False

    @property
    def over(self) -> bool:
        """Whether the status is final."""
        return self.status != "running"

    def is_kept(self, now_ms: int) -> bool:
        """Whether it is over, and its retention is not."""
        return self.finished_at_ms is not None and now_ms < self.finished_at_ms + self.retention_s * 1000

    @property
    def blocks(self) -> int:
        """How many blocks its items lie in."""
        return -(-self.items // self.block_items)

    @property
    def prefix(self) -> str:
        """What the names of its objects begin with."""
        return prefix_of(self.user_id, self.id)

    def block_size(self, block: int) -> int:
        """How many items are in a block: the last one may be short."""
        return min(self.block_items, self.items - block * self.block_items)

    def job_id(self, index: int) -> str:
        """The job that an item is, or will be."""
        return derived_id("job", self.id, index)

    def has_job(self, turn: int) -> bool:
        """Whether the item of a turn has become a job."""
        return turn < (self.next_item if self.rest_from is None else self.rest_from)


def prefix_of(user_id: str, batch_id: str) -> str:
    """Where the objects of a batch are, also of one that does not exist yet."""
    return batch_prefix(user_id, batch_id, made_at_ms(batch_id))


def block_name(prefix: str, block: int, *, ended: int | None = None) -> str:
    """The object of a block's items, or of its results as they were when so many items of it had `ended`.

    Who knows of more ended items writes to another name, so nobody undoes what another has stored. Of a whole block
    there is one content, whoever writes it.
    """
    return f"{prefix}items/{block:05}.jsonl" if ended is None else f"{prefix}results/{block:05}-{ended}.jsonl"


def results_name(prefix: str) -> str:
    """The object of all results."""
    return f"{prefix}results.jsonl"


def read_batch(batch_id: str, record: Mapping[bytes, bytes]) -> Batch:
    """Build a batch from its record; members that a newer version added are ignored."""

    def number(name: bytes, otherwise: int = 0) -> int:
        return int(record.get(name, otherwise))

    def perhaps(name: bytes) -> int | None:
        return int(record[name]) if name in record else None

    def text(name: bytes) -> str | None:
        return record[name].decode() if name in record else None

    return Batch(
        id=batch_id,
        user_id=record[b"user"].decode(),
        api_key_id=record[b"key"].decode(),
        kind=record[b"kind"].decode(),
        queue=record[b"queue"].decode(),
        status=record[b"status"].decode(),  # type: ignore[arg-type]
        items=number(b"items"),
        next_item=number(b"next"),
        left=number(b"left"),
        units=number(b"units"),
        block_items=number(b"block_items", 100),
        created_at_ms=number(b"created"),
        deadline_at_ms=number(b"deadline"),
        retention_s=number(b"retention"),
        artifact_url_ttl_s=number(b"url_ttl"),
        counts=_counts(record),
        priority=number(b"priority"),
        fairness_key=text(b"fairness_key"),
        metadata=orjson.loads(record.get(b"metadata", b"{}")),
        traceparent=text(b"traceparent"),
        webhook=record.get(b"webhook"),
        webhook_to=record.get(b"webhook_to"),
        cancel_requested_at_ms=perhaps(b"cancel"),
        finished_at_ms=perhaps(b"finished"),
        rest_from=perhaps(b"rest_from"),
        rest_status=record.get(b"rest_status", b"canceled").decode(),  # type: ignore[arg-type]
        results_bytes=number(b"results_bytes"),
        results_sha256=record.get(b"results_sha256", b"").decode(),
        kept_at_ms=number(b"kept_at"),
        has_turns=b"turns" in record,
    )


def _counts(record: Mapping[bytes, bytes]) -> dict[Status, int]:
    """Items by status; what is not a job yet is queued: its caller need not care where it waits."""
    counts: dict[Status, int] = {status: int(record.get(f"{_COUNT}{status}".encode(), 0)) for status in ITEM_STATUSES}
    counts["queued"] += int(record[b"items"]) - int(record.get(b"next", 0))
    return counts
