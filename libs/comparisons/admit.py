"""Letting a comparison in: the jobs of all its variants in one step, or none of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from libs.access.caller import Caller
from libs.admission.admit import Application, QueueRule, lane_of, record_members, records_max, stored_max, submit_rate
from libs.admission.rate import Rate, RateRule
from libs.admission.verdict import EXTRA, rates_of, refusal_of
from libs.comparisons.comparison import Variant, pack_variants
from libs.errors import Refusal
from libs.ids import new_id
from libs.jobs.payload import encode_payload
from libs.jobs.scripts import ADMIT_COMPARISON
from libs.limits import COMPARISONS_MAX
from libs.store.client import Store

__all__ = ["ComparisonAdmission", "admit_comparison"]

#: How long a comparison may outlive the retention of a job that started at its deadline: attempts take their time.
_MARGIN_MS = 2 * 86_400_000


@dataclass(frozen=True, slots=True)
class ComparisonAdmission:
    """A comparison that was let in now, or (`replayed`) the one this request made before."""

    comparison_id: str
    replayed: bool
    rates: tuple[Rate, ...]


async def admit_comparison(
    store: Store,
    caller: Caller,
    variants: Sequence[Variant],
    wanted: Sequence[Application],
    queue_rule: QueueRule,
    rate_rule: RateRule | None,
) -> ComparisonAdmission:
    """Let the jobs of all variants in, or raise the Refusal that says why not.

    The applications, one for each variant, differ in their inputs and units alone. Codes: those of a job's admission.
    A refusal leaves nothing behind.
    """
    comparison_id = new_id("cmp")
    reply = await store.run(
        ADMIT_COMPARISON, (), _arguments(comparison_id, caller, variants, wanted, queue_rule, rate_rule)
    )
    outcome = reply[0]
    if outcome == b"invalid_token":
        raise Refusal("invalid_token")
    rates = rates_of(reply, caller, rate_rule)
    match outcome:
        case b"admitted":
            return ComparisonAdmission(comparison_id, replayed=False, rates=rates)
        case b"replayed":
            return ComparisonAdmission(reply[EXTRA].decode(), replayed=True, rates=rates)
    raise refusal_of(reply, caller, rates)


def _arguments(
    comparison_id: str,
    caller: Caller,
    variants: Sequence[Variant],
    wanted: Sequence[Application],
    queue_rule: QueueRule,
    rate_rule: RateRule | None,
) -> list[str | bytes | int | float]:
    limits, first, now_ms = caller.limits, wanted[0], time.time_ns() // 1_000_000
    deadline_ms = int(first.deadline_s * 1000)
    jobs: list[str | bytes | int] = []
    for variant, one in zip(variants, wanted, strict=True):
        jobs += [variant.job_id, encode_payload(one.kind, one.input, now_ms), one.units, one.needs]
    return [
        comparison_id,
        caller.user_id,
        caller.digest,
        first.queue,
        first.kind,
        pack_variants(variants),
        sum(one.units for one in wanted),
        first.priority,
        lane_of(first.fairness_key),
        deadline_ms,
        len(wanted),
        first.idempotency or "",
        first.fingerprint,
        *submit_rate(caller, rate_rule),
        caller.limits.attempts_per_submit,
        first.tried,
        -1 if limits.units_per_day is None else limits.units_per_day,
        limits.queued_max,
        queue_rule.size_max,
        limits.weight,
        limits.slots,
        deadline_ms + limits.retention_s * 1000 + _MARGIN_MS,
        stored_max(caller),
        records_max(caller),
        COMPARISONS_MAX,
        *jobs,
        *record_members(caller, replace(first, result=None, needs=""), queue_rule),  # these are each variant's own
    ]
