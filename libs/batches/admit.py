"""Letting a batch in: key, rate, idempotency and the units of all items in one step, all or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from libs import limits
from libs.access.caller import Caller
from libs.admission.admit import QueueRule, records_max, stored_max, submit_rate
from libs.admission.rate import Rate, RateRule
from libs.admission.verdict import EXTRA, rates_of, refusal_of
from libs.errors import Refusal, Unavailable
from libs.jobs.scripts import ADMIT_BATCH
from libs.store.client import Store
from libs.webhooks.hook import Hook

__all__ = ["BatchAdmission", "BatchApplication", "Room", "admit_batch", "look_batch"]

#: Where in a reply the units of today stand, held and used (see `libs.admission.verdict`).
_UNITS_TODAY: Final = 5


@dataclass(frozen=True, slots=True)
class BatchApplication:
    """What asks for admission: a kind, how many items and units, and what the caller wishes for all of them.

    `idempotency` is the digest of route and Idempotency-Key, `fingerprint` that of the body. `deadline_s` counts from
    the admission: what has not started then expires.
    """

    kind: str
    queue: str
    deadline_s: float
    priority: int = 0
    fairness_key: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    idempotency: str | None = None
    fingerprint: str = ""
    traceparent: str | None = None
    hook: Hook | None = None
    #: As that of a job's application.
    tried: int = 0


@dataclass(frozen=True, slots=True)
class BatchAdmission:
    """A batch that was let in now, or (`replayed`) the one this request made before."""

    batch_id: str
    replayed: bool
    rates: tuple[Rate, ...]


@dataclass(frozen=True, slots=True)
class Room:
    """What a batch may have: units that are left of the day, None where they are not counted."""

    units: int | None


async def look_batch(
    store: Store,
    caller: Caller,
    wanted: BatchApplication,
    queue_rule: QueueRule,
    rate_rule: RateRule | None,
    *,
    items: int,
) -> BatchAdmission | Room:
    """What admission would say to so many items of a unit each: the batch this request made before, or room for them.

    For before the items are read, and while they are. Raises the Refusal that admission would, and writes nothing.
    """
    return await _ask(store, caller, wanted, queue_rule, rate_rule, ("", items, items, 0), look=True)


async def admit_batch(
    store: Store,
    caller: Caller,
    wanted: BatchApplication,
    queue_rule: QueueRule,
    rate_rule: RateRule | None,
    *,
    batch_id: str,
    items: int,
    units: int,
    items_bytes: int = 0,
) -> BatchAdmission:
    """Let a batch in whose items are stored under its id, or raise the Refusal that says why not.

    Codes: those of a job's admission. A refusal leaves nothing behind in Redis.
    """
    said = await _ask(store, caller, wanted, queue_rule, rate_rule, (batch_id, items, units, items_bytes), look=False)
    return said if isinstance(said, BatchAdmission) else BatchAdmission(batch_id, replayed=False, rates=())


async def _ask(
    store: Store,
    caller: Caller,
    wanted: BatchApplication,
    queue_rule: QueueRule,
    rate_rule: RateRule | None,
    size: tuple[str, int, int, int],
    *,
    look: bool,
) -> BatchAdmission | Room:
    batch_id, items, units, items_bytes = size
    arguments = _arguments(batch_id, caller, wanted, queue_rule, rate_rule, items, units)
    members = _members(caller, wanted, queue_rule)
    reply = await store.run(
        ADMIT_BATCH, (), (*arguments, int(look), stored_max(caller), records_max(caller), items_bytes, *members)
    )
    outcome = reply[0].decode()
    if outcome == "invalid_token":
        raise Refusal(outcome)
    if outcome == "lapsed":
        raise Unavailable("objects", "the batch took too long to store")
    rates = rates_of(reply, caller, rate_rule)
    match outcome:
        case "clear":
            quota = caller.limits.units_per_day
            return Room(None if quota is None else quota - int(reply[_UNITS_TODAY]))
        case "admitted":
            return BatchAdmission(batch_id, replayed=False, rates=rates)
        case "replayed":
            return BatchAdmission(reply[EXTRA].decode(), replayed=True, rates=rates)
    detail = f"At most {limits.BATCHES_UNFINISHED_MAX} of your batches may be unfinished at once"
    raise refusal_of(reply, caller, rates, detail=detail)


def _arguments(
    batch_id: str,
    caller: Caller,
    wanted: BatchApplication,
    queue_rule: QueueRule,
    rate_rule: RateRule | None,
    items: int,
    units: int,
) -> tuple[str | int, ...]:
    quota = caller.limits.units_per_day
    return (
        batch_id,
        caller.user_id,
        caller.digest,
        wanted.queue,
        wanted.kind,
        items,
        units,
        int(wanted.deadline_s * 1000),
        wanted.idempotency or "",
        wanted.fingerprint,
        *submit_rate(caller, rate_rule),
        caller.limits.attempts_per_submit,
        wanted.tried,
        -1 if quota is None else quota,
        limits.BATCHES_UNFINISHED_MAX,
        queue_rule.size_max,
    )


def _members(caller: Caller, wanted: BatchApplication, queue_rule: QueueRule) -> list[str | bytes | int]:
    """Members of the record that the script stores as they are; absent ones take no room."""
    url_ttl_s = min(caller.limits.artifact_url_ttl_s, queue_rule.artifact_url_ttl_s_max)
    members: list[str | bytes | int] = [
        *("key", caller.api_key_id),
        *("retention", caller.limits.retention_s),
        *("url_ttl", url_ttl_s),
        *("block_items", limits.BATCH_BLOCK_ITEMS),
    ]
    if wanted.priority:
        members += ["priority", wanted.priority]
    if wanted.fairness_key is not None:
        members += ["fairness_key", wanted.fairness_key]
    if wanted.metadata:
        members += ["metadata", orjson.dumps(wanted.metadata)]
    if wanted.traceparent:
        members += ["traceparent", wanted.traceparent]
    if wanted.hook:
        members += wanted.hook.members()
    return members
