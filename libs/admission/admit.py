"""Admission: one atomic step and one round trip from a validated request to a queued job.

The script behind it checks the key, idempotency, rate, the caller's queue limit, the daily quota and the queue's own
ceiling, and then writes the record, the quota held, the idempotency memory and ARQ's payload and queue entry:
all of it, or nothing. Where the job's result is known already it writes the finished record instead (`result`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import orjson

from libs.access.caller import Caller
from libs.admission.rate import Rate, RateRule
from libs.admission.verdict import EXTRA, rates_of, refusal_of
from libs.artifacts.artifact import Artifact
from libs.errors import Refusal
from libs.ids import new_id
from libs.jobs.job import Job
from libs.jobs.payload import encode_payload
from libs.jobs.scripts import ADMIT
from libs.store.client import Store
from libs.webhooks.hook import Hook

__all__ = [
    "Admission",
    "Application",
    "Copies",
    "CopiesWanted",
    "QueueRule",
    "admit",
    "ask",
    "fingerprint",
    "lane_of",
    "record_members",
    "stored_max",
    "submit_rate",
]

_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Application:
    """What asks for admission: a validated input and what the caller wishes for it.

    `idempotency` is the digest of route and Idempotency-Key, `fingerprint` that of the body.
    `deadline_s` counts from when the job may first run. `result` is the digest of all that decides the outcome, for a
    job whose result may be kept for others that do the same.
    """

    kind: str
    queue: str
    input: dict[str, Any]
    units: int
    deadline_s: float
    priority: int = 0
    run_at_ms: int | None = None
    fairness_key: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    idempotency: str | None = None
    fingerprint: str = ""
    traceparent: str | None = None
    retry_of: str | None = None
    result: str | None = None
    #: Attempts before this one that came to nothing, and that no script has counted yet.
    tried: int = 0
    #: What of the fleet the job needs, as `libs.backends.fleet.needs` writes it; empty where it needs none.
    needs: str = ""
    hook: Hook | None = None


@dataclass(frozen=True, slots=True)
class QueueRule:
    """What bounds a deployment: jobs in one queue (`MAX_QUEUE_SIZE`), and how long an artifact's URL may live."""

    size_max: int
    artifact_url_ttl_s_max: int


@dataclass(frozen=True, slots=True)
class Admission:
    """A job that was let in now, or (`replayed`) the one this request made before: then only its id is known.

    `known`: its result was, so that it is over already.
    """

    job_id: str
    job: Job | None
    replayed: bool
    rates: tuple[Rate, ...]
    known: bool = False


@dataclass(frozen=True, slots=True)
class Copies:
    """Artifacts of the job `of`, copied for the one that asks; none at first."""

    of: str = ""
    artifacts: tuple[Artifact, ...] = ()


@dataclass(frozen=True, slots=True)
class CopiesWanted:
    """The result is that of a job with artifacts: to be copied before the script is asked again."""

    job_id: str
    artifacts: tuple[Artifact, ...]
    now_ms: int


def fingerprint(body: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of a body: members sorted, no white space."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def lane_of(fairness_key: str | None) -> str:
    """The lane a fairness key's jobs wait in: a digest, since clients choose the key."""
    return "-" if fairness_key is None else hashlib.sha256(fairness_key.encode()).hexdigest()[:16]


async def admit(
    store: Store, caller: Caller, wanted: Application, queue_rule: QueueRule, rate_rule: RateRule | None
) -> Admission:
    """Let a job in, or raise the Refusal that says why not.

    Codes: invalid_token, idempotency_key_reused, rate_limited, storage_exceeded, records_exceeded, queue_limit,
    quota_exceeded, queue_full. A refusal leaves nothing behind. Without a `rate_rule` submissions are not limited. A
    known result is not looked up.
    """
    return cast("Admission", await ask(store, new_id("job"), caller, wanted, queue_rule, rate_rule, None))


async def ask(  # what `admit` takes, the job's id, and how to look its result up
    store: Store,
    job_id: str,
    caller: Caller,
    wanted: Application,
    queue_rule: QueueRule,
    rate_rule: RateRule | None,
    copies: Copies | None,
) -> Admission | CopiesWanted:
    """As `admit`, with a look whether the result is known unless `copies` is None."""
    reply = await store.run(ADMIT, (), _arguments(job_id, caller, wanted, queue_rule, rate_rule, copies))
    outcome = reply[0]
    if outcome == b"invalid_token":
        raise Refusal("invalid_token")
    now_ms, rates = int(reply[1]), rates_of(reply, caller, rate_rule)
    match outcome:
        case b"admitted":
            job = _new_job(job_id, caller, wanted, queue_rule, now_ms)
            return Admission(job_id, job, replayed=False, rates=rates)
        case b"replayed":
            return Admission(reply[EXTRA].decode(), None, replayed=True, rates=rates)
        case b"known":
            job = _known_job(_new_job(job_id, caller, wanted, queue_rule, now_ms), reply[EXTRA], copies)
            return Admission(job_id, job, replayed=False, rates=rates, known=True)
        case b"copies_wanted":
            manifest = orjson.loads(reply[EXTRA + 1])
            return CopiesWanted(reply[EXTRA].decode(), tuple(map(Artifact.from_json, manifest)), now_ms)
        case _:
            raise refusal_of(reply, caller, rates)


def _arguments(
    job_id: str,
    caller: Caller,
    wanted: Application,
    queue_rule: QueueRule,
    rate_rule: RateRule | None,
    copies: Copies | None,
) -> list[str | bytes | int | float]:
    limits = caller.limits
    return [
        job_id,
        caller.user_id,
        caller.digest,
        wanted.queue,
        wanted.kind,
        encode_payload(wanted.kind, wanted.input, time.time_ns() // 1_000_000),
        wanted.units,
        wanted.priority,
        lane_of(wanted.fairness_key),
        int(wanted.deadline_s * 1000),
        wanted.run_at_ms or 0,
        wanted.idempotency or "",
        wanted.fingerprint,
        *submit_rate(caller, rate_rule),
        caller.limits.attempts_per_submit,
        wanted.tried,
        -1 if limits.units_per_day is None else limits.units_per_day,
        limits.queued_max,
        queue_rule.size_max,
        limits.weight,
        limits.slots,
        *_look_up(wanted, copies),
        stored_max(caller),
        records_max(caller),
        *record_members(caller, wanted, queue_rule),
    ]


def submit_rate(caller: Caller, rule: RateRule | None) -> tuple[int, int]:
    """How many submissions in how many µs the caller has; 0 where they are not limited."""
    return (rule.limit(caller, "submits"), rule.window_s * _US) if rule else (0, 60 * _US)


def stored_max(caller: Caller) -> int:
    """How many bytes the caller's user may store; -1 where that is not limited."""
    return -1 if caller.limits.stored_bytes_max is None else caller.limits.stored_bytes_max


def records_max(caller: Caller) -> int:
    """How many bytes the records of the caller's user may have; -1 where that is not limited."""
    return -1 if caller.limits.records_bytes_max is None else caller.limits.records_bytes_max


def _look_up(wanted: Application, copies: Copies | None) -> tuple[str, str, bytes, int]:
    if copies is None or wanted.result is None:
        return "", "", b"", 0
    manifest = orjson.dumps([artifact.as_json() for artifact in copies.artifacts])
    return wanted.result, copies.of, manifest, sum(artifact.size_bytes for artifact in copies.artifacts)


def record_members(caller: Caller, wanted: Application, queue_rule: QueueRule) -> list[str | bytes | int]:
    """Members of the record that the script stores as they are; absent ones take no room."""
    members: list[str | bytes | int] = [
        "key",
        caller.api_key_id,
        "retention",
        caller.limits.retention_s,
        "url_ttl",
        min(caller.limits.artifact_url_ttl_s, queue_rule.artifact_url_ttl_s_max),
    ]
    if wanted.run_at_ms is not None:
        members += ["run_at", wanted.run_at_ms]
    if wanted.fairness_key is not None:
        members += ["fairness_key", wanted.fairness_key]
    if wanted.metadata:
        members += ["metadata", orjson.dumps(wanted.metadata)]
    if wanted.retry_of:
        members += ["retry_of", wanted.retry_of]
    if wanted.needs:
        members += ["needs", wanted.needs]
    if wanted.hook is not None:
        members += wanted.hook.members()
    if wanted.traceparent:
        members += ["traceparent", wanted.traceparent]
    if wanted.result:
        members += ["result", wanted.result]
    return members


def _known_job(job: Job, output: bytes | None, copies: Copies | None) -> Job:
    """The job as the script has written it: over, and free of charge."""
    return replace(
        job,
        status="succeeded",
        units=0,
        cached=True,
        finished_at_ms=job.created_at_ms,
        version=1,
        output=orjson.loads(output) if output else None,
        artifacts=copies.artifacts if copies else (),
        last_event=f"{job.created_at_ms}-1",
    )


def _new_job(job_id: str, caller: Caller, wanted: Application, rule: QueueRule, now_ms: int) -> Job:
    starts_ms = max(now_ms, wanted.run_at_ms or 0)
    return Job(
        id=job_id,
        user_id=caller.user_id,
        api_key_id=caller.api_key_id,
        kind=wanted.kind,
        queue=wanted.queue,
        input=wanted.input,
        units=wanted.units,
        priority=wanted.priority,
        created_at_ms=now_ms,
        deadline_at_ms=starts_ms + int(wanted.deadline_s * 1000),
        run_at_ms=wanted.run_at_ms,
        fairness_key=wanted.fairness_key,
        metadata=dict(wanted.metadata),
        retry_of=wanted.retry_of,
        retention_s=caller.limits.retention_s,
        artifact_url_ttl_s=min(caller.limits.artifact_url_ttl_s, rule.artifact_url_ttl_s_max),
        status="scheduled" if starts_ms > now_ms else "queued",
    )
