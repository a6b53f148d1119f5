"""What a user has used: by day, by month, and by kind. Units count on the day on which they were held."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from libs.store.client import Store

__all__ = ["DAYS_MAX", "MONTHS_MAX", "Period", "Span", "Usage", "days", "months", "read_usage", "today"]

Span = Literal["day", "month"]

#: How far back the counters reach.
DAYS_MAX, MONTHS_MAX = 40, 13

_EPOCH = date(1970, 1, 1)
_DAY_S = 86_400  # POSIX days: a leap second is none of theirs
_BY_KIND = "used:"


@dataclass(frozen=True, slots=True)
class Period:
    """A day or a month, by its first day, in UTC."""

    span: Span
    first: date

    @property
    def name(self) -> str:
        """`2026-11-22` or `2026-11`."""
        return self.first.isoformat() if self.span == "day" else f"{self.first:%Y-%m}"

    def key(self, store: Store, user_id: str) -> str:
        """Where its counters are."""
        if self.span == "day":
            return f"{store.keys.usage}{user_id}:{(self.first - _EPOCH).days}"
        return f"{store.keys.usage_month}{user_id}:{self.first:%Y%m}"


@dataclass(frozen=True, slots=True)
class Usage:
    """Units of one user in one period; `held` are those of unfinished jobs, told for days only."""

    period: Period
    used: int
    held: int | None
    by_kind: Mapping[str, int]


def days(last: date, count: int) -> list[Period]:
    """So many days, up to the last, oldest first."""
    return [Period("day", last - timedelta(days=ago)) for ago in range(count - 1, -1, -1)]


def months(last: date, count: int) -> list[Period]:
    """So many months, up to that of the last day, oldest first."""
    numbers = [last.year * 12 + last.month - 1 - ago for ago in range(count - 1, -1, -1)]
    return [Period("month", date(number // 12, number % 12 + 1, 1)) for number in numbers]


async def today(store: Store) -> date:
    """The day it is by Redis's clock, in UTC: units are counted on that one. Raises Unavailable."""
    return _EPOCH + timedelta(days=int((await store.call("TIME"))[0]) // _DAY_S)


async def read_usage(store: Store, user_id: str, periods: Sequence[Period]) -> list[Usage]:
    """The user's usage in each of these periods."""
    replies = await asyncio.gather(*[store.call("HGETALL", period.key(store, user_id)) for period in periods])
    return [_read(period, reply) for period, reply in zip(periods, replies, strict=True)]


def _read(period: Period, reply: Sequence[bytes]) -> Usage:
    counters = {name.decode(): int(units) for name, units in zip(reply[::2], reply[1::2], strict=True)}
    if period.span == "month":
        return Usage(period, sum(counters.values()), None, counters)
    by_kind = {name.removeprefix(_BY_KIND): units for name, units in counters.items() if name.startswith(_BY_KIND)}
    return Usage(period, counters.get("used", 0), counters.get("held", 0), by_kind)
