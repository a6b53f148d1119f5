"""Everything that Redis holds, read in one step."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from libs.store.client import Store
from libs.store.keyspace import ARQ, HEADS, Keyspace
from libs.store.script import Script
from tests.fakes.clock import CLOCK

__all__ = ["Snapshot", "take_snapshot"]

_READ = Script(
    "snapshot",
    """
local READ = {
  string = function(key) return redis.call('GET', key) end,
  hash = function(key) return redis.call('HGETALL', key) end,
  set = function(key) return redis.call('SMEMBERS', key) end,
  zset = function(key) return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end,
  list = function(key) return redis.call('LRANGE', key, 0, -1) end,
  stream = function(key) return redis.call('XRANGE', key, '-', '+') end,
}
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local type = redis.call('TYPE', key).ok
  found[#found + 1] = {key, redis.call('PTTL', key), type, READ[type](key)}
end
return found
""",
)


@dataclass(slots=True)
class Snapshot:
    """Values by key, decoded where they are text, and the ms that each key has left (-1: it stays)."""

    keys: Keyspace
    values: dict[str, Any] = field(default_factory=dict)
    left_ms: dict[str, int] = field(default_factory=dict)
    families: defaultdict[str, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))

    def under(self, head: str) -> dict[str, Any]:
        """The values of one family of keys, by what stands behind the head; a copy."""
        return dict(self.families.get(head, {}))

    def scores(self, queue: str) -> dict[str, float]:
        """The ZSET of a queue."""
        found: dict[str, float] = self.values.get(self.keys.zset_of(queue), {})
        return found

    def record(self, job_id: str) -> dict[str, str]:
        found: dict[str, str] = self.values[self.keys.job + job_id]
        return found


def _pairs(flat: list[bytes]) -> dict[str, str]:
    return {name.decode(): value.decode(errors="replace") for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _read(type_: str, value: Any) -> Any:
    match type_:
        case "hash":
            return _pairs(value)
        case "zset":
            return {member: float(score) for member, score in _pairs(value).items()}
        case "set":
            return {member.decode() for member in value}
        case "stream":
            return [_pairs(members) for _, members in value]
        case "list":
            return [word.decode() for word in value]
        case _:
            return value.decode(errors="replace")


async def take_snapshot(store: Store) -> Snapshot:
    """Read it all; for small databases. Every key belongs to a family that the keyspace names."""
    seen = Snapshot(store.keys)
    known = _known(store.keys.prefix)
    for key, left, type_, value in await store.run(_READ):
        name = key.decode()
        if name == CLOCK:
            continue
        family = known.match(name)
        assert family is not None, f"a key that the keyspace does not name: {name}"
        seen.values[name], seen.left_ms[name] = _read(type_.decode(), value), left
        seen.families[family[0]][name[family.end() :]] = seen.values[name]
    return seen


@lru_cache
def _known(prefix: str) -> re.Pattern[str]:
    """The head of any key that the keyspace names."""
    heads = [prefix + head.text for head in HEADS.values()] + [head.text for head in ARQ.values()] + ["arq:queue:"]
    return re.compile("|".join(re.escape(head) if head.endswith(":") else re.escape(head) + r"\Z" for head in heads))
