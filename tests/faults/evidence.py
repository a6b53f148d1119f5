"""What a fault run left behind: Redis read to the last key, the objects, the backend's tally, the clients' history."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from libs.artifacts.objects import Objects
from libs.jobs.job import Job, read_job
from libs.store.client import Store
from libs.store.keyspace import Keyspace
from tests.faults.backend import Tally
from tests.faults.history import History

__all__ = ["Dump", "Evidence", "digests", "dump", "read_metrics", "stream"]

_PAGE = 500
_READ = {
    b"string": ("GET",),
    b"hash": ("HGETALL",),
    b"set": ("SMEMBERS",),
    b"zset": ("ZRANGE", 0, -1, "WITHSCORES"),
    b"list": ("LRANGE", 0, -1),
    b"stream": ("XRANGE", "-", "+"),
}


@dataclass(frozen=True, slots=True)
class Dump:
    """Every key of Redis: its value as Redis replies it, and the ms it has left (-1: it stays)."""

    keys: Keyspace
    values: Mapping[str, Any]
    left_ms: Mapping[str, int]

    def under(self, head: str) -> dict[str, Any]:
        """The values of one family, by what stands behind the head."""
        return {key[len(head) :]: value for key, value in self.values.items() if key.startswith(head)}

    def jobs(self) -> dict[str, Job]:
        """Every job that has a record."""
        payloads = self.under(self.keys.arq_job)
        return {
            job_id: read_job(job_id, _pairs(record), payloads.get(job_id))
            for job_id, record in self.under(self.keys.job).items()
        }

    def events(self, job_id: str) -> list[tuple[int, dict[str, str]]]:
        """What happened to a job: the ms it happened at, and the entry."""
        return stream(self.values.get(self.keys.events + job_id, ()))


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it, with what the checkers want to know of the objects and the metrics."""

    dump: Dump
    history: History = field(default_factory=History)
    tally: Tally = field(default_factory=lambda: Tally({}, []))
    objects: Mapping[str, str] = field(default_factory=dict)  # SHA-256 by name
    counted: Mapping[str, float] | None = None  # by the API, by sample; None when it was killed

    def count(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        wanted = [f'{label}="{text}"' for label, text in labels.items()]
        return sum(
            value
            for sample, value in (self.counted or {}).items()
            if sample.partition("{")[0] == name and all(label in sample for label in wanted)
        )


def read_metrics(text: str) -> dict[str, float]:
    """The samples of Prometheus's text format."""
    lines = [line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return {sample: float(value) for sample, _, value in lines}


async def dump(store: Store) -> Dump:
    """Read everything."""
    values: dict[str, Any] = {}
    left_ms: dict[str, int] = {}
    cursor = b"0"
    while True:
        cursor, found = await store.call("SCAN", cursor, "COUNT", _PAGE)
        types = await asyncio.gather(*[store.call("TYPE", key) for key in found])
        left = await asyncio.gather(*[store.call("PTTL", key) for key in found])
        commands = [(_READ[type_], key) for type_, key in zip(types, found, strict=True) if type_ in _READ]
        kept = [key for type_, key in zip(types, found, strict=True) if type_ in _READ]
        read = await asyncio.gather(*[store.call(words[0], key, *words[1:]) for words, key in commands])
        values.update({key.decode(): value for key, value in zip(kept, read, strict=True)})
        left_ms.update({key.decode(): ms for key, ms in zip(found, left, strict=True)})
        if cursor == b"0":
            return Dump(store.keys, values, left_ms)


async def digests(objects: Objects, names: list[str]) -> dict[str, str]:
    """The SHA-256 of every object that is there."""

    async def digest(name: str) -> tuple[str, str] | None:
        data = await objects.get(name, bytes_max=64 * 1024 * 1024)
        return None if data is None else (name, hashlib.sha256(data).hexdigest())

    return dict(found for found in await asyncio.gather(*map(digest, names)) if found is not None)


def stream(entries: Any) -> list[tuple[int, dict[str, str]]]:
    """A stream's entries: the ms of each, and its members."""
    return [
        (int(entry_id.partition(b"-")[0]), {name.decode(): value.decode() for name, value in _pairs(members).items()})
        for entry_id, members in entries
    ]


def _pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
