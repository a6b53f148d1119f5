"""Reconciling the ledger: what was reserved, settled and refunded must add up to the counters, and to the jobs.

::

    reserve   held + units
    settle    held - units, used + units
    refund    held - units

The ledger is written in the scripts that change the counters, so a difference means a bug or a hand in Redis.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass

from libs.archive.logs import ledger_of, order_of, read_forwards
from libs.artifacts.objects import Objects
from libs.jobs.record_bytes import recount
from libs.jobs.status import FINISHED
from libs.store.client import Store
from libs.store.stream import Entry

__all__ = ["Difference", "correct_counters", "differences"]

_PAGE = 1_000
_DAY_S = 86_400
_BYTES = "bytes of records"
_DAYS_COUNTED = 39  # USAGE_KEPT_S in settle.lua, less the day that has begun


@dataclass(frozen=True, slots=True)
class Difference:
    """Two sums that should be one; `what` says of what."""

    user_id: str
    what: str
    expected: int
    found: int


@dataclass(slots=True)
class _Balance:
    """Units of one user on one day, as the ledger tells."""

    held: int = 0
    used: int = 0

    def enter(self, entry: bytes, units: int) -> None:
        self.held += units if entry == b"reserve" else -units
        if entry == b"settle":
            self.used += units


async def differences(store: Store, objects: Objects | None = None) -> AsyncIterator[Difference]:
    """Every difference, user by user. Meant for a system at rest: what moves while it is read shows as one.

    Without `objects` only what Redis holds is added up. Days are looked at for as long as their counters are kept.
    Reads in pages of 1,000 and keeps one user in memory at a time. Raises Unavailable.
    """
    first_day = await _first_day(store)
    async for user_id in _users(store):
        days, of_jobs, of_batches = await asyncio.gather(
            _ledger(store, objects, user_id, first_day),
            _unfinished_units(store, user_id),
            _units_of_batches(store, user_id),
        )
        for wrong in await _wrong_counters(store, user_id, days):
            yield wrong.difference
        unfinished, held_in_all = of_jobs + of_batches, sum(balance.held for balance in days.values())
        if held_in_all != unfinished:
            yield Difference(user_id, "units held by unfinished jobs", unfinished, held_in_all)
        counted, there = await recount(store, user_id, look=True)
        if counted != there:
            yield Difference(user_id, _BYTES, there, counted)


async def correct_counters(store: Store, objects: Objects, *, look: bool = False) -> list[Difference]:
    """Make the counters what the ledger says, after Redis was restored; what differed. With `look` they stay.

    To be called while nothing is admitted and nothing ends. Raises Unavailable.
    """
    first_day = await _first_day(store)
    found: list[Difference] = []
    async for user_id in _users(store):
        for wrong in await _wrong_counters(store, user_id, await _ledger(store, objects, user_id, first_day)):
            found.append(wrong.difference)
            if not look:
                await store.call("HSET", wrong.key, wrong.name, wrong.difference.expected)
                await store.call("EXPIRE", wrong.key, (_DAYS_COUNTED + 1) * _DAY_S)
        counted, there = await recount(store, user_id, look=look)
        if counted != there:
            found.append(Difference(user_id, _BYTES, there, counted))
    return found


@dataclass(frozen=True, slots=True)
class _Wrong:
    """A counter that is not what the ledger says."""

    key: str
    name: str
    difference: Difference


async def _wrong_counters(store: Store, user_id: str, days: Mapping[str, _Balance]) -> list[_Wrong]:
    found: list[_Wrong] = []
    for day, balance in sorted(days.items()):
        key = f"{store.keys.usage}{user_id}:{day}"
        held, used = await store.call("HMGET", key, "held", "used")
        for name, expected, counted in (("held", balance.held, held), ("used", balance.used, used)):
            if expected != int(counted or 0):
                what = f"units {name} on day {day}"
                found.append(_Wrong(key, name, Difference(user_id, what, expected, int(counted or 0))))
    return found


async def _users(store: Store) -> AsyncIterator[str]:
    start = 0
    while ids := await store.call("ZRANGE", store.keys.users, start, start + _PAGE - 1):
        for user_id in ids:
            yield user_id.decode()
        start += len(ids)


async def _first_day(store: Store) -> int:
    """The first day whose counters are still there for certain, since the epoch."""
    seconds, _ = await store.call("TIME")
    return int(seconds) // _DAY_S - _DAYS_COUNTED


async def _ledger(store: Store, objects: Objects | None, user_id: str, first_day: int) -> dict[str, _Balance]:
    """What the archive and Redis tell of each day; both entries of a job are of the day on which it came."""
    days: dict[str, _Balance] = defaultdict(_Balance)
    seen = (0, 0)
    async for entry_id, members in _entries(store, objects, user_id, first_day * _DAY_S * 1_000):
        if order_of(entry_id) > seen:  # what was archived and not yet cut is in both
            seen = order_of(entry_id)
            fields = dict(zip(members[::2], members[1::2], strict=True))
            if int(fields[b"day"]) >= first_day:
                days[fields[b"day"].decode()].enter(fields[b"entry"], int(fields[b"units"]))
    return days


async def _entries(store: Store, objects: Objects | None, user_id: str, since_ms: int) -> AsyncGenerator[Entry]:
    log = ledger_of(store.keys, user_id)
    if objects is not None:
        async for entry in read_forwards(objects, log, since_ms=since_ms):
            yield entry
    after = "-"
    while page := await store.call("XRANGE", log.key, after, "+", "COUNT", _PAGE):
        for entry_id, members in page:
            yield entry_id, members
        after = f"({page[-1][0].decode()}"


async def _unfinished_units(store: Store, user_id: str) -> int:
    """Units of the user's jobs whose status is not final."""
    total, before = 0, "+"
    while ids := await store.call("ZREVRANGEBYLEX", store.keys.jobs + user_id, before, "-", "LIMIT", 0, _PAGE):
        before = f"({ids[-1].decode()}"
        records = await asyncio.gather(
            *(store.call("HMGET", store.keys.job + job_id.decode(), "status", "units") for job_id in ids)
        )
        total += sum(int(units) for status, units in records if status and status.decode() not in FINISHED)
    return total


async def _units_of_batches(store: Store, user_id: str) -> int:
    """Units reserved for items of the user's batches that are no jobs yet; few batches are unfinished at a time."""
    ids = await store.call("SMEMBERS", store.keys.batches_open + user_id)
    left = await asyncio.gather(*[store.call("HGET", store.keys.batch + one.decode(), "units_left") for one in ids])
    return sum(int(units or 0) for units in left)
