"""Quota that balances: units are held when a job is admitted and settled once, on the day they were held."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from libs.jobs.lifecycle import Payment

__all__ = ["DAY_MS", "Units", "Usage"]

DAY_MS = 86_400_000


@dataclass(slots=True)
class Usage:
    """A user's units of one day (00:00 UTC to 00:00 UTC)."""

    held: int = 0
    used: int = 0


@dataclass(slots=True)
class Units:
    """Everybody's units, by user and day (number of the day since the epoch)."""

    days: defaultdict[tuple[str, int], Usage] = field(default_factory=lambda: defaultdict(Usage))

    def allows(self, user: str, day: int, units: int, quota: int | None) -> bool:
        """Whether the day's quota has room; what is held counts as used."""
        usage = self.days[user, day]
        return quota is None or usage.held + usage.used + units <= quota

    def reserve(self, user: str, day: int, units: int) -> None:
        """Hold units for a job."""
        self.days[user, day].held += units

    def settle(self, payment: Payment, user: str, day: int, units: int) -> None:
        """Let go of held units: `settle` when the caller pays, `refund` when it never ran or the fault was ours."""
        usage = self.days[user, day]
        usage.held -= units
        if payment == "settle":
            usage.used += units
