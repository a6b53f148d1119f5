"""What an admission script says, in our words: its reply begins alike whatever it admits.

::

    outcome  now (ms)  submits left  µs until that bucket is full  its limit  units of today  what differs by outcome …
"""

from __future__ import annotations

from typing import Any, Final

from libs.access.caller import Caller
from libs.access.plan import Limits
from libs.admission.attempts import POLICY, no_attempts
from libs.admission.rate import Rate, RateRule, RefusedRate, refused
from libs.artifacts.storage import storage_exceeded
from libs.errors import Refusal

__all__ = ["EXTRA", "rates_of", "refusal_of"]

_DAY_MS: Final = 86_400_000
_US: Final = 1_000_000
#: Records leave as they move to the archive, in rounds of hours.
_RECORDS_S: Final = 600.0
#: Where in the reply begins what differs by outcome.
EXTRA: Final = 6


def rates_of(reply: list[Any], caller: Caller, rule: RateRule | None) -> tuple[Rate, ...]:
    """The caller's rates as they are now."""
    rates: tuple[Rate, ...] = ()
    if rule is not None:
        rates = (Rate("submits", int(reply[4]), max(0, int(reply[2])), rule.window_s, int(float(reply[3])) / _US),)
    quota = caller.limits.units_per_day
    if quota is not None:
        left_s = _left_of_day_s(reply)
        rates += (Rate("jobs", quota, max(0, quota - int(reply[5])), _DAY_MS // 1000, left_s),)
    return rates


def refusal_of(reply: list[Any], caller: Caller, rates: tuple[Rate, ...], *, detail: str = "") -> Refusal:
    """Why the caller is not let in; `detail` is for what a queue limit bounds, where that is not jobs."""
    code, limits = reply[0].decode(), caller.limits
    match code:
        case "idempotency_key_reused":
            return Refusal(code, f"This idempotency key made {_named(reply[EXTRA].decode())} from another body")
        case "rate_limited":
            return _too_fast(rates, int(float(reply[EXTRA])) / _US, reply[EXTRA + 1], limits.attempts_per_submit)
        case "queue_limit":
            told = detail or f"At most {limits.queued_max} of your jobs may wait at once"
            return refused(code, told, rates, "queued", _drain_s(limits.queued_max))
        case "quota_exceeded":
            told = f"The quota of {limits.units_per_day} units a day does not allow for this; it renews at 00:00 UTC"
            return refused(code, told, rates, "jobs", _left_of_day_s(reply))
        case "storage_exceeded" | "records_exceeded":
            return _too_much(code, limits, rates)
        case _:
            return _not_now(code, reply)


def _too_fast(rates: tuple[Rate, ...], wait_s: float, bucket: bytes, tries: int) -> RefusedRate:
    submits = rates[0]
    if bucket == b"attempts":
        limit = submits.limit * tries
        return no_attempts(Rate(POLICY, limit, 0, submits.window_s, wait_s), wait_s)
    told = f"At most {submits.limit} submissions in {submits.window_s} seconds"
    return refused("rate_limited", told, rates, "submits", wait_s)


def _too_much(code: str, limits: Limits, rates: tuple[Rate, ...]) -> Refusal:
    """What the caller has already, as files or as records."""
    if code == "storage_exceeded":
        return storage_exceeded(limits.stored_bytes_max)
    told = f"At most {limits.records_bytes_max} bytes of your jobs, batches and results are kept at hand"
    return refused(code, told, rates, "records", _RECORDS_S)


def _not_now(code: str, reply: list[Any]) -> Refusal:
    """What is no fault of the caller's."""
    if code == "draining":
        return Refusal(code, "The queue takes no new jobs for now", retry_after_s=30.0)
    return Refusal("queue_full", retry_after_s=_full_queue_s(int(reply[EXTRA]), float(reply[EXTRA + 1])))


def _named(made: str) -> str:
    return f"{made.partition('_')[0]} {made}"


def _left_of_day_s(reply: list[Any]) -> float:
    return (_DAY_MS - int(reply[1]) % _DAY_MS) / 1000


def _drain_s(_queued: int) -> float:
    """A caller's own queue: worth another look in a few seconds."""
    return 5.0


def _full_queue_s(queued: int, drained_per_s: float) -> float:
    """When a hundredth of a full queue has drained at its present rate; between 1 s and 5 min."""
    return min(300.0, max(1.0, queued / 100 / drained_per_s if drained_per_s > 0 else 30.0))
