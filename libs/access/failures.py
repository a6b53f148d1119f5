"""Failed credentials: an address that sends too many is refused for the rest of the minute.

What could be a key is counted in Redis, for all processes together, by the script that looks it up. What cannot be one
never gets that far; it is counted here, in one process. An address that is over either count is refused from memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from libs import limits
from libs.errors import Refusal

__all__ = ["Failures"]


class Failures:
    """Senders that failed lately, no more than `senders_max` of them."""

    def __init__(
        self, *, senders_max: int = limits.FAILING_SENDERS_MAX, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._senders_max = senders_max
        self._clock = clock
        self._senders: dict[str, tuple[int, float]] = {}  # failures, and when they are forgotten; oldest first

    def check(self, sender: str) -> None:
        """Refuse `rate_limited` to a sender that has failed too often."""
        count, until = self._senders.get(sender, (0, 0.0))
        left_s = until - self._clock()
        if count >= limits.FAILED_CREDENTIALS_MAX and left_s > 0:
            raise _refused(left_s)

    def note(self, sender: str) -> None:
        """Count one failure; a minute after the first the count begins anew."""
        now = self._clock()
        count, until = self._senders.pop(sender, (0, 0.0))
        if until <= now:
            count, until = 0, now + limits.FAILED_CREDENTIALS_S
        self._keep(sender, count + 1, until)

    def block(self, sender: str, for_s: float) -> Refusal:
        """Refuse the sender from now on, as Redis said; returns the refusal."""
        self._senders.pop(sender, None)
        self._keep(sender, limits.FAILED_CREDENTIALS_MAX, self._clock() + for_s)
        return _refused(for_s)

    def _keep(self, sender: str, count: int, until: float) -> None:
        while len(self._senders) >= self._senders_max:
            del self._senders[next(iter(self._senders))]
        self._senders[sender] = (count, until)


def _refused(left_s: float) -> Refusal:
    detail = f"{limits.FAILED_CREDENTIALS_MAX} credentials from your address were not valid"
    return Refusal("rate_limited", detail, retry_after_s=left_s, members={"violated-policies": ["failures"]})
