"""Attempts: every submission costs one, whatever comes of it; a refused one costs what it cost us.

A submission takes its token when it is admitted, so refused ones would be free. Attempts are a bucket beside it that
holds a multiple of the plan's submits. It lives in this process, where asking costs no round trip; what was spent here
goes along with the caller's next admission, whose script counts it for all processes together.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from libs import limits
from libs.access.caller import Caller
from libs.admission.rate import Rate, RateRule, RefusedRate, refused

__all__ = ["POLICY", "Attempts", "no_attempts", "price_of"]

POLICY: Final = "attempts"


def price_of(bytes_read: int, values_read: int) -> int:
    """What a refused submission costs in attempts: one, and more by what was read of it."""
    return 1 + bytes_read // limits.ATTEMPT_BYTES + values_read // limits.ATTEMPT_VALUES


class Attempts:
    """What callers have tried lately in this process: no more than `callers_max` of them, the latest."""

    def __init__(
        self, *, callers_max: int = limits.CACHED_CALLERS_MAX, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._callers_max = callers_max
        self._clock = clock
        self._full_at_s: dict[str, float] = {}  # by user, and by api key where it has a rate of its own
        self._due: dict[str, int] = {}  # by api key: spent here, and not counted in Redis yet

    def take(self, caller: Caller, rule: RateRule) -> None:
        """Take one; refuse `rate_limited` to a caller who has none left."""
        now_s, taken = self._clock(), []
        for bucket, limit in _buckets(caller, rule):
            full_at_s = max(now_s, self._full_at_s.get(bucket, 0.0)) + rule.window_s / limit
            wait_s = full_at_s - now_s - rule.window_s
            if wait_s > 0:
                left_s = full_at_s - now_s - rule.window_s / limit
                raise no_attempts(Rate(POLICY, limit, 0, rule.window_s, left_s), wait_s)
            taken.append((bucket, full_at_s))
        for bucket, full_at_s in taken:
            self._full_at_s.pop(bucket, None)
            self._keep(self._full_at_s, bucket, full_at_s)
        self.owe(caller, 1)

    def spend(self, caller: Caller, rule: RateRule, tokens: int) -> None:
        """Take so many, whether there are as many or not."""
        now_s = self._clock()
        for bucket, limit in _buckets(caller, rule):
            full_at_s = max(now_s, self._full_at_s.pop(bucket, 0.0)) + tokens * rule.window_s / limit
            self._keep(self._full_at_s, bucket, min(full_at_s, now_s + rule.window_s))
        self.owe(caller, tokens)

    def close(self, caller: Caller, rule: RateRule, wait_s: float) -> None:
        """There is none for so long, as Redis said, which knows what other processes were asked."""
        now_s = self._clock()
        for bucket, limit in _buckets(caller, rule):
            full_at_s = now_s + wait_s + rule.window_s - rule.window_s / limit
            self._keep(self._full_at_s, bucket, max(self._full_at_s.pop(bucket, 0.0), full_at_s))

    def due(self, caller: Caller) -> int:
        """What is to be counted in Redis, and is not due any more: whoever cannot count it owes it again."""
        return self._due.pop(caller.digest, 0)

    def owe(self, caller: Caller, tokens: int) -> None:
        """So many were spent and are not counted in Redis."""
        self._keep(self._due, caller.digest, self._due.pop(caller.digest, 0) + tokens)

    def _keep(self, entries: dict[str, float] | dict[str, int], name: str, value: float) -> None:
        while len(entries) >= self._callers_max:
            del entries[next(iter(entries))]
        entries[name] = value  # type: ignore[assignment]  # whole tokens are due


def no_attempts(rate: Rate, wait_s: float) -> RefusedRate:
    """The refusal of a caller who has no attempt left."""
    detail = (
        f"At most {rate.limit} attempts at a submission in {rate.window_s} seconds; refused ones cost what they cost us"
    )
    return refused("rate_limited", detail, (rate,), POLICY, wait_s)


def _buckets(caller: Caller, rule: RateRule) -> tuple[tuple[str, int], ...]:
    """The caller's buckets by name, and what each holds."""
    users = (caller.user_id, rule.limit(caller, POLICY))
    own = caller.rates.get("submits")
    return (users,) if own is None else (users, (caller.digest, own * caller.limits.attempts_per_submit))
