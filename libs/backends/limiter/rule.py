"""What a provider allows."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Rule"]


@dataclass(frozen=True, slots=True)
class Rule:
    """How much may be sent; None is no limit. Every process that shares a limiter must be given the same rule.

    `per_minute` and `tokens_per_minute` hold for any span of `window_s`, which only tests shorten. `in_flight_max`
    bounds the requests booked or under way at once; one that takes longer than `lease_s` is taken for lost and bounds
    nobody any more. `bookings_max` bounds the row.

    A request that was sent has arrived `arrives_within_s` later, or never will. Of a provider that takes long to
    answer, up to that much of each window is lost: name a shorter time where requests surely arrive in it.
    """

    per_minute: int
    tokens_per_minute: int | None = None
    in_flight_max: int | None = None
    window_s: float = 60.0
    arrives_within_s: float = 5.0
    lease_s: float = 60.0
    bookings_max: int = 2_000

    def __post_init__(self) -> None:
        counts = (self.per_minute, self.tokens_per_minute, self.in_flight_max, self.bookings_max)
        times = (self.window_s, self.arrives_within_s, self.lease_s)
        if any(count is not None and count < 1 for count in counts) or any(time_s <= 0 for time_s in times):
            raise ValueError(f"a rule that allows nothing: {self}")
