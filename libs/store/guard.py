"""Whether a Redis may keep jobs: asked at start-up.

A cache loses nothing that matters when it evicts; we would lose jobs that were acknowledged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from libs.store.client import Store
from libs.store.replies import ReplyError

__all__ = ["Finding", "Fsync", "findings", "inspect", "read_info"]

_VERSION_MIN = (7, 0)

#: How soon what was written is on the disk; LIMITS.md says what each promises.
Fsync = Literal["everysec", "always"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be; `line` says what to set. `refuse` means: do not serve."""

    level: Literal["refuse", "warn"]
    line: str


async def inspect(store: Store, *, fsync: Fsync = "everysec") -> list[Finding]:
    """What is wrong with the store's Redis, refusals first; `fsync` is what is asked of it. Raises Unavailable."""
    try:
        info = read_info(await store.call("INFO"))
    except ReplyError as error:
        return [Finding("warn", f"Redis does not let us read INFO, so nothing could be checked: {error}")]
    return findings(info | await _fsync(store), fsync=fsync)


def findings(info: Mapping[str, str], *, fsync: Fsync = "everysec") -> list[Finding]:
    """The same from the fields of INFO, and `appendfsync` where CONFIG may be read; what is unknown is a warning."""
    found = [*_version(info), *_eviction(info), *_topology(info), *_durability(info, fsync)]
    return sorted(found, key=lambda finding: finding.level)


def _version(info: Mapping[str, str]) -> list[Finding]:
    """Valkey calls itself Redis 7.2.4 here, whatever its own version."""
    said = info.get("redis_version", "")
    numbers = tuple(int(part) for part in said.split(".")[:2] if part.isdigit())
    if not numbers:
        return [Finding("warn", "Redis hides its version: it must be at least 7.0")]
    if numbers < _VERSION_MIN:
        return [Finding("refuse", f"Redis {said} is too old: use Redis 7.0 or later, or Valkey")]
    return []


def _eviction(info: Mapping[str, str]) -> list[Finding]:
    policy = info.get("maxmemory_policy")
    if policy is None:
        return [Finding("warn", "Redis hides its maxmemory-policy: it must be noeviction, or jobs get lost")]
    if policy != "noeviction":
        return [Finding("refuse", f"Redis evicts ({policy}) and would eat jobs: set maxmemory-policy noeviction")]
    return []


def _topology(info: Mapping[str, str]) -> list[Finding]:
    found = []
    if info.get("cluster_enabled", "0") != "0":
        found.append(Finding("refuse", "Redis runs as a cluster, which ARQ's keys rule out: set cluster-enabled no"))
    if info.get("role", "master") != "master":
        found.append(Finding("refuse", "REDIS_URL names a replica: name the primary, or the sentinels"))
    return found


def _durability(info: Mapping[str, str], fsync: Fsync) -> list[Finding]:
    if fsync == "always" and (info.get("aof_enabled") != "1" or info.get("appendfsync", "always") != "always"):
        line = "REDIS_APPENDFSYNC asks for always: set appendonly yes and appendfsync always in Redis"
        return [Finding("refuse", line)]
    if info.get("aof_enabled", "0") != "1":
        return [Finding("warn", "Redis keeps no append-only file, a restart may lose jobs: set appendonly yes")]
    if info.get("appendfsync") == "no":
        return [Finding("warn", "Redis leaves fsync to the system: set appendfsync everysec, or always")]
    return []


async def _fsync(store: Store) -> dict[str, str]:
    """A managed Redis forbids CONFIG, and has its own way to keep what was written."""
    try:
        name, value = await store.call("CONFIG", "GET", "appendfsync")
    except (ReplyError, ValueError):
        return {}
    return {name.decode(): value.decode()}


def read_info(reply: bytes) -> dict[str, str]:
    """The fields of INFO; lines that start with # are headings."""
    pairs = (line.partition(":") for line in reply.decode().splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in pairs if colon}
