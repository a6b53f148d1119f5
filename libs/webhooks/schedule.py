"""When a delivery is tried: at once, and after each failure later, until it is given up."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["Schedule", "read_retry_after"]

_MINUTE_S, _HOUR_S = 60, 3_600
_RETRY_AFTER_S_MAX = 24 * _HOUR_S


@dataclass(frozen=True, slots=True)
class Schedule:
    """Pauses before each try, in seconds, each off by up to `jitter` of itself either way.

    Ten tries in about three days: the example of Standard Webhooks 1.0.
    """

    pauses_s: tuple[float, ...] = (
        0,
        5,
        5 * _MINUTE_S,
        30 * _MINUTE_S,
        *(hours * _HOUR_S for hours in (2, 5, 10, 14, 20, 24)),
    )
    jitter: float = 0.2

    def wait_s(self, tries: int, retry_after_s: float = 0.0) -> float | None:
        """How long to wait after so many failed tries; None when that was the last one.

        A receiver that names a later time (`Retry-After`) is given it, up to a day.
        """
        if tries >= len(self.pauses_s):
            return None
        pause_s = self.pauses_s[tries] * random.uniform(1 - self.jitter, 1 + self.jitter)
        return max(pause_s, min(retry_after_s, _RETRY_AFTER_S_MAX))

    @property
    def span_s(self) -> float:
        """The longest that it takes from the first try to the last, unless a receiver asks for more."""
        return sum(self.pauses_s) * (1 + self.jitter)


def read_retry_after(text: str | None, now: datetime | None = None) -> float:
    """Seconds, from either form of the header (RFC 9110, 10.2.3); 0 for what is neither."""
    if not text:
        return 0.0
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())
