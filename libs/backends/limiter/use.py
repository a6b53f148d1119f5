"""What a limiter is doing, for those who watch it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Use"]


@dataclass(frozen=True, slots=True)
class Use:
    """What is booked and what counts against the limit now.

    `share` is below 1 while the limiter is careful, after a provider refused; `paused_s` is how long nobody starts.
    `delay_s` is how long an answer takes, with a margin.
    """

    queued: int
    requests: int
    tokens: int
    in_flight: int
    paused_s: float
    share: float
    delay_s: float
