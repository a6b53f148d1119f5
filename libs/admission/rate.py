"""Token buckets of a caller: one for submissions, one for reads, one for uploads; each holds a minute's worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from libs.access.caller import Caller
from libs.errors import Refusal
from libs.jobs.scripts import TAKE
from libs.store.client import Store

__all__ = ["Bucket", "Rate", "RateRule", "RefusedRate", "refused", "take"]

#: `attempts` hold a multiple of the submits (`libs.admission.attempts`).
Bucket = Literal["submits", "reads", "uploads", "attempts"]
_S = 1_000_000


@dataclass(frozen=True, slots=True)
class RateRule:
    """How buckets are counted in this deployment.

    `window_s` is the time in which a bucket refills (`RATE_LIMIT_WINDOW`), and a plan's per-minute number is what it
    holds. `ceiling` stands in for a plan without a limit (`FLEET_CEILING_PER_MINUTE`). `submits_max` is a ceiling over
    every plan's submits (`RATE_LIMIT_REQUESTS`).
    """

    window_s: int = 60
    ceiling: int = 10_000
    submits_max: int | None = None

    def limit(self, caller: Caller, bucket: Bucket) -> int:
        """Tokens the caller's bucket holds."""
        limits = caller.limits
        if bucket == "attempts":
            return self.limit(caller, "submits") * limits.attempts_per_submit
        per_minute = {
            "submits": limits.submits_per_minute,
            "reads": limits.reads_per_minute,
            "uploads": limits.uploads_per_minute,
        }[bucket]
        limit = self.ceiling if per_minute is None else per_minute
        return limit if bucket != "submits" or self.submits_max is None else min(limit, self.submits_max)


@dataclass(frozen=True, slots=True)
class Rate:
    """The state of one policy after a request: a bucket, or the daily quota (policy `jobs`).

    `reset_s` is the time until the bucket is full again, for the quota until the day ends (00:00 UTC).
    """

    policy: str
    limit: int
    remaining: int
    window_s: int
    reset_s: float


class RefusedRate(Refusal):
    """A refusal that knows the caller's rates, so that its headers can tell them."""

    rates: tuple[Rate, ...] = ()


def refused(code: str, detail: str, rates: tuple[Rate, ...], policy: str, retry_after_s: float) -> RefusedRate:
    """A 429 of this caller's own making, naming the policy it ran into."""
    refusal = RefusedRate(code, detail, retry_after_s=retry_after_s, members={"violated-policies": [policy]})
    refusal.rates = rates
    return refusal


async def take(
    store: Store, caller: Caller, bucket: Bucket, rule: RateRule, *, spend: int = 1, used: bool = False
) -> Rate:
    """Take one token (or look, with `spend=0`) in one round trip that also checks the api key.

    What was `used` already is taken whether there is as much or not.

    Raises Refusal `invalid_token` when the key was revoked or expired, or its user suspended, and RefusedRate
    `rate_limited` when the bucket is empty. Source of the algorithm: GCRA, ITU-T I.371.
    """
    limit = rule.limit(caller, bucket)
    tries = caller.limits.attempts_per_submit if bucket == "attempts" else ""
    window_us = rule.window_s * _S
    reply = await store.run(
        TAKE, (), (caller.user_id, caller.digest, bucket, spend, limit, window_us, tries, int(used))
    )
    if reply[0] == b"invalid_token":
        raise Refusal("invalid_token")
    limit = int(reply[4])  # of the api key's own bucket, when that is the one that runs out first
    rate = Rate(bucket, limit, max(0, int(reply[1])), rule.window_s, int(reply[2]) / _S)
    if reply[0] == b"rate_limited":
        detail = f"At most {limit} {bucket} in {rule.window_s} seconds"
        raise refused("rate_limited", detail, (rate,), bucket, int(reply[3]) / _S)
    return rate
