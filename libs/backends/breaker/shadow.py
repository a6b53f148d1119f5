"""What a process remembers of a breaker, so that it need not ask for each call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Shadow", "State"]

State = Literal["closed", "open", "half_open"]

#: How long what was heard of a breaker is believed.
_BELIEVED_S = 1.0


@dataclass(frozen=True, slots=True)
class Shadow:
    """A breaker as Redis last told of it. Times are those of the process's monotonic clock.

    `retry_at` is when an open one lets somebody try, or a half-open one the next.
    """

    state: State
    heard_at: float
    retry_at: float = 0.0

    def is_fresh(self, now: float) -> bool:
        """Whether it may be believed without asking: for a second, and never past the end of an open phase."""
        return now - self.heard_at < _BELIEVED_S and (self.state == "closed" or now < self.retry_at)

    def retry_in_s(self, now: float) -> float:
        """Seconds until it is worth coming back."""
        return max(0.0, self.retry_at - now)
