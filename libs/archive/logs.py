"""Logs that only grow: ledgers, the audit log, the list of admissions. Their old entries move to the archive.

::

    <folder><first entry>.<last entry>.<count>.<digest>.jsonl.gz          ids with leading zeros, so that names sort

Store, then cut, in that order: whoever dies in between leaves entries in both, and readers take each once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from anyio import to_thread

from libs.archive.agenda import write_note
from libs.archive.segment import lines_of, pack, read_line
from libs.artifacts.objects import Objects
from libs.errors import Unavailable
from libs.store.client import Store
from libs.store.keyspace import Keyspace
from libs.store.script import Script
from libs.store.stream import Entry

__all__ = [
    "LOG_KEPT_S",
    "Log",
    "LogSegment",
    "admissions",
    "archive_all_of",
    "archive_log",
    "audit_log",
    "ledger_of",
    "order_of",
    "read_backwards",
    "read_forwards",
    "segments_of",
]

#: How long ledgers and the list of admissions are kept, as long as the usage of a month; the audit log is for ever.
LOG_KEPT_S = 400 * 86_400
_SEGMENT_ENTRIES_MAX = 5_000
_READ_AT_ONCE = 500
_SEGMENT_BYTES_MAX = 64 * 1024 * 1024
_PAGE = 1_000
_CUT = Script.of("libs.archive", "cut_log.lua", allow_oom=True)
_NAME = re.compile(
    r"(?P<first>\d{14}-\d{10})\.(?P<last>\d{14}-\d{10})\.(?P<count>\d+)\.[0-9a-f]{16}\.jsonl\.gz", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Log:
    """A stream in Redis, and the folder of its segments. `keeps_last`: its newest entry never leaves Redis."""

    key: str
    folder: str
    keeps_last: bool = False
    kept_s: int | None = LOG_KEPT_S


@dataclass(frozen=True, slots=True)
class LogSegment:
    """What the name of a segment tells: its entries run from `first` to `last`."""

    name: str
    first: tuple[int, int]
    last: tuple[int, int]
    count: int

    @classmethod
    def named(cls, name: str) -> LogSegment | None:
        """The segment of that name; None when it is none."""
        match = _NAME.fullmatch(name.rpartition("/")[2])
        return match and cls(
            name, order_of(match["first"].encode()), order_of(match["last"].encode()), int(match["count"])
        )


def audit_log(keys: Keyspace) -> Log:
    """What admins did. Each entry needs the one before it, so one stays."""
    return Log(keys.audit, "archive/audit/", keeps_last=True, kept_s=None)


def admissions(keys: Keyspace) -> Log:
    """The jobs of all users, as they were admitted."""
    return Log(keys.recent, "archive/admissions/")


def ledger_of(keys: Keyspace, user_id: str) -> Log:
    """A user's reservations, settlements and refunds."""
    return Log(keys.ledger + user_id, f"{user_id}/archive/ledger/")


async def archive_log(store: Store, objects: Objects, log: Log, before_ms: int) -> int:
    """Move a segment's worth of the entries that are older than a time; how many. Raises Unavailable.

    Call it again while it moves some. What a log keeps is in its archive as well, and begins the next segment.
    """
    entries = await _oldest(store, log, before_ms)
    if len(entries) <= log.keeps_last:
        return 0
    data = await to_thread.run_sync(pack, [(_id(one), _members(one)) for one in entries])
    name = _name(log, entries, data)
    if log.kept_s is not None:
        await write_note(objects, name, order_of(entries[-1][0])[0] // 1_000 + log.kept_s)
    await objects.put(name, data, "application/gzip")
    await store.run(_CUT, (log.key,), (_id(entries[-1]), int(log.keeps_last)))
    return len(entries) - log.keeps_last


async def archive_all_of(store: Store, objects: Objects, log: Log, before_ms: int) -> int:
    """Move all of its entries that are older than a time; how many. Raises Unavailable."""
    moved = 0
    while some := await archive_log(store, objects, log, before_ms):
        moved += some
    return moved


async def _oldest(store: Store, log: Log, before_ms: int) -> list[Entry]:
    entries: list[Entry] = []
    start = "-"
    while len(entries) < _SEGMENT_ENTRIES_MAX:
        page = await store.call("XRANGE", log.key, start, f"({before_ms}-0", "COUNT", _READ_AT_ONCE)
        entries += [(entry_id, words) for entry_id, words in page]
        if len(page) < _READ_AT_ONCE:
            break
        start = f"({page[-1][0].decode()}"
    return entries


def _name(log: Log, entries: Sequence[Entry], data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()[:16]
    (first_ms, first), (last_ms, last) = (order_of(entries[at][0]) for at in (0, -1))
    return f"{log.folder}{first_ms:014}-{first:010}.{last_ms:014}-{last:010}.{len(entries)}.{digest}.jsonl.gz"


async def segments_of(objects: Objects, log: Log, *, since_ms: int = 0) -> list[LogSegment]:
    """The segments of a log that end at a time or later, by their first entry."""
    found: list[LogSegment] = []
    after: str | None = None
    while page := await objects.list(log.folder, after=after, limit=_PAGE):
        found += [segment for facts in page if (segment := LogSegment.named(facts.name)) is not None]
        after = page[-1].name
    return [one for one in found if one.last[0] >= since_ms]


async def read_forwards(objects: Objects, log: Log, *, since_ms: int = 0) -> AsyncGenerator[Entry]:
    """The archived entries, each once, oldest first. Raises Unavailable."""
    told = (0, 0)
    for segment in await segments_of(objects, log, since_ms=since_ms):
        for entry in await _entries_in(objects, segment):
            if order_of(entry[0]) > told:
                told = order_of(entry[0])
                yield entry


async def read_backwards(objects: Objects, log: Log, before: str | None) -> AsyncGenerator[Entry]:
    """The archived entries before one, each once, newest first. Raises Unavailable."""
    told = order_of(before.encode()) if before else (2**63, 0)
    for segment in sorted(await segments_of(objects, log), key=lambda one: one.last, reverse=True):
        if segment.first < told:
            for entry in reversed(await _entries_in(objects, segment)):
                if order_of(entry[0]) < told:
                    told = order_of(entry[0])
                    yield entry


async def _entries_in(objects: Objects, segment: LogSegment) -> list[Entry]:
    try:
        data = await objects.get(segment.name, bytes_max=_SEGMENT_BYTES_MAX)
    except ValueError:
        raise Unavailable("objects", f"{segment.name} is no segment of ours") from None
    if data is None:
        return []
    lines = await to_thread.run_sync(lambda: [read_line(line) for _, line in lines_of(data)])
    return [(entry_id.encode(), [word for member in record.items() for word in member]) for entry_id, record in lines]


def _id(entry: Entry) -> str:
    return entry[0].decode()


def _members(entry: Entry) -> dict[bytes, bytes]:
    return dict(zip(entry[1][::2], entry[1][1::2], strict=True))


def order_of(entry_id: bytes) -> tuple[int, int]:
    """Ids of a stream compare as two numbers."""
    at_ms, _, number = entry_id.partition(b"-")
    return int(at_ms), int(number or 0)
