"""Time that a test makes pass: the scripts of a store read it from a key, and what expires in Redis keeps step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from libs.store.client import Store
from libs.store.connection import Word
from libs.store.script import Script

__all__ = ["CLOCK", "START_MS", "ClockedStore"]

CLOCK = "test:clock"
START_MS = 1_760_000_000_000

_TIME = "redis.call('TIME')"
_CLOCK = f"redis.call('HMGET', '{CLOCK}', 's', 'us')"
_TRAVEL = Script(
    "travel",
    f"""
redis.call('HSET', '{CLOCK}', 's', ARGV[1], 'us', ARGV[2])
local passed = tonumber(ARGV[3])
for _, key in ipairs(passed > 0 and redis.call('KEYS', '*') or {{}}) do
  local left = redis.call('PTTL', key)
  if left >= 0 then redis.call('PEXPIRE', key, math.max(0, left - passed)) end
end
""",
)


class ClockedStore(Store):
    """The store, with one word of every script replaced: where it asks Redis for the time, it asks the test."""

    now_ms = 0
    _clocked: dict[Script, Script]

    async def run(self, script: Script, keys: Sequence[str | bytes] = (), args: Sequence[Word] = ()) -> Any:
        return await super().run(self._at_test_time(script), keys, args)

    async def travel_to(self, now_ms: int, *, expiring: bool = True) -> None:
        """Let it be that time. From 0 (a fresh Redis) nothing expires on the way; each key is looked at otherwise."""
        passed = now_ms - self.now_ms if self.now_ms and expiring else 0
        await super().run(_TRAVEL, (), (now_ms // 1000, now_ms % 1000 * 1000, passed))
        self.now_ms = now_ms

    async def pass_time(self, ms: int) -> None:
        await self.travel_to(self.now_ms + ms)

    def _at_test_time(self, script: Script) -> Script:
        known = self.__dict__.setdefault("_clocked", {})
        if script not in known:
            assert script.text.count(_TIME) <= 1, "scripts read the time in one place"
            known[script] = replace(script, text=script.text.replace(_TIME, _CLOCK))
        clocked: Script = known[script]
        return clocked
