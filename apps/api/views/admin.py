"""The JSON that admins see of what runs the house. Inputs, outputs and files of users are none of it."""

from __future__ import annotations

from typing import Any

from libs.audit.act import Act
from libs.jobs.dead import Dead
from libs.jobs.job import Job
from libs.jobs.queues import QueueState
from libs.jobs.view import stamp
from libs.jobs.workers import Worker

__all__ = ["act_view", "dead_view", "queue_view", "running_job_view", "worker_view"]


def running_job_view(job: Job) -> dict[str, Any]:
    """A job as one who runs the house needs it: whose, where, how it fares. A prompt is personal."""
    return {
        "id": job.id,
        "user_id": job.user_id,
        "api_key_id": job.api_key_id,
        "kind": job.kind,
        "queue": job.queue,
        "status": job.status,
        "priority": job.priority,
        "units": job.units,
        "attempt": job.attempt,
        "failures": job.failures,
        "crashes": job.crashes,
        "releases": job.releases,
        "run_seconds": job.run_ms / 1000,
        "error": job.error,
        "retry_of": job.retry_of,
        "created_at": stamp(job.created_at_ms),
        "started_at": stamp(job.started_at_ms),
        "finished_at": stamp(job.finished_at_ms),
        "cancel_requested_at": stamp(job.cancel_requested_at_ms),
        "deadline_at": stamp(job.deadline_at_ms),
    }


def dead_view(dead: Dead) -> dict[str, Any]:
    """A dead job, and when it was given up."""
    return {**running_job_view(dead.job), "died_at": stamp(dead.died_at_ms)}


def queue_view(queue: QueueState) -> dict[str, Any]:
    """A queue: its unfinished jobs by band, and whether it takes and gives any."""
    return {
        "name": queue.name,
        "ready": queue.ready,
        "timed": queue.timed,
        "held": queue.held,
        "paused": queue.paused,
        "draining": queue.draining,
        "finished_per_second": round(queue.drained_per_s, 3),
    }


def worker_view(worker: Worker) -> dict[str, Any]:
    """A worker process."""
    return {
        "id": worker.id,
        "host": worker.host,
        "pid": worker.pid,
        "queues": list(worker.queues),
        "slots": worker.slots,
        "running": worker.running,
        "accepting": worker.accepting,
        "seen_at": stamp(worker.seen_at_s * 1000),
    }


def act_view(act: Act) -> dict[str, Any]:
    """An entry of the audit log."""
    return {
        "number": act.number,
        "at": stamp(act.at_ms),
        "actor": {
            "user_id": act.actor.user_id,
            "api_key_id": act.actor.api_key_id or None,
            "request_id": act.actor.request_id or None,
        },
        "act": act.act,
        "on": act.on,
        "before": act.before,
        "after": act.after,
        "hash": act.hash,
    }
