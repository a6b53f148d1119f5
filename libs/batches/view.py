"""The JSON that a caller sees of a batch and its items, in the API and in a webhook alike."""

from __future__ import annotations

import time
from typing import Any, Final

from libs import limits
from libs.artifacts.objects import Objects
from libs.batches.batch import Batch, results_name
from libs.batches.results import Result
from libs.jobs.view import SignedUrl, stamp

__all__ = ["batch_view", "item_view", "results_url"]

_LINES_TYPE: Final = "application/jsonl"


def batch_view(objects: Objects, batch: Batch) -> dict[str, Any]:
    """A batch, with a fresh URL of its results once they are there."""
    path = f"/api/v1/batches/{batch.id}"
    return {
        "id": batch.id,
        "kind": batch.kind,
        "status": batch.status,
        "items": batch.items,
        "counts": dict(batch.counts),
        "units": batch.units,
        "priority": batch.priority,
        "fairness_key": batch.fairness_key,
        "metadata": dict(batch.metadata),
        "results": _results_view(objects, batch) if batch.over else None,
        "created_at": stamp(batch.created_at_ms),
        "finished_at": stamp(batch.finished_at_ms),
        "cancel_requested_at": stamp(batch.cancel_requested_at_ms),
        "deadline_at": stamp(batch.deadline_at_ms),
        "links": {
            "self": path,
            "items": f"{path}/items",
            "cancel": f"{path}/cancel",
            "results": f"{path}/results",
        },
    }


def _results_view(objects: Objects, batch: Batch) -> dict[str, Any]:
    url, lapses_at_ms = results_url(objects, batch)
    return {
        "content_type": _LINES_TYPE,
        "size_bytes": batch.results_bytes,
        "sha256": batch.results_sha256,
        "url": url,
        "url_expires_at": stamp(lapses_at_ms),
    }


def results_url(objects: Objects, batch: Batch) -> SignedUrl:
    """A presigned URL of the results, and when it lapses."""
    ttl_s = batch.artifact_url_ttl_s
    url = objects.presigned_get(
        results_name(batch.prefix), ttl_s, filename=f"{batch.id}.jsonl", content_type=_LINES_TYPE
    )
    return url, time.time_ns() // 1_000_000 + ttl_s * 1000


def item_view(result: Result, *, whole: bool = False) -> dict[str, Any]:
    """An item; unless it is wanted `whole`, a large output is left to the job and to the results."""
    shown = {"cached": False, **result}  # results that an older version stored don't say
    if not whole and result["output_bytes"] > limits.BATCH_OUTPUT_BYTES_MAX:
        shown["output"] = None
    return shown
