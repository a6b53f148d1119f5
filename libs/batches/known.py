"""Known results of a batch's items, whose artifacts are copied before the items become jobs.

Nothing is taken back here: another worker may feed the same items meanwhile, and has made the same copies under the
same names. What nobody needed lies below the prefix of its item's job, as what a lost attempt leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson

from libs.artifacts.artifact import Artifact
from libs.artifacts.copies import copy_each, placed_below
from libs.artifacts.names import attempt_prefix
from libs.artifacts.objects import Objects

__all__ = ["ItemCopies", "WantedCopy", "wanted_copies"]

_ITEMS_AT_ONCE: Final = 8
_NEVER_RUN: Final = 0


@dataclass(frozen=True, slots=True)
class WantedCopy:
    """An item's job that is to have the artifacts of another, `of`."""

    job_id: str
    of: str
    artifacts: tuple[Artifact, ...]


def wanted_copies(words: Sequence[bytes]) -> list[WantedCopy]:
    """What the script asks for: of each item its job, the other job, and that one's artifacts."""
    return [
        WantedCopy(job_id.decode(), of.decode(), tuple(map(Artifact.from_json, orjson.loads(manifest))))
        for job_id, of, manifest in zip(words[::3], words[1::3], words[2::3], strict=True)
    ]


@dataclass(slots=True)
class ItemCopies:
    """The copies that there are, by the job that is to have them."""

    objects: Objects
    user_id: str
    _made: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    async def make(self, wanted: Sequence[WantedCopy], now_ms: int) -> bool:
        """Copy what is wanted, a few items at a time; whether all could be had."""
        turns = asyncio.Semaphore(_ITEMS_AT_ONCE)

        async def made(one: WantedCopy) -> bool:
            async with turns:
                return await self._make(one, now_ms)

        async with asyncio.TaskGroup() as group:
            making = [group.create_task(made(one)) for one in wanted]
        return all(one.result() for one in making)

    def as_json(self) -> bytes:
        """As the script reads them: of each the job whose artifacts they are, their manifest, their bytes."""
        return orjson.dumps(self._made) if self._made else b""

    async def _make(self, wanted: WantedCopy, now_ms: int) -> bool:
        prefix = attempt_prefix(self.user_id, wanted.job_id, now_ms, _NEVER_RUN)
        targets = placed_below(prefix, wanted.artifacts)
        if not await copy_each(self.objects, wanted.artifacts, targets):
            return False
        manifest = orjson.dumps([target.as_json() for target in targets]).decode()
        self._made[wanted.job_id] = (wanted.of, manifest, str(sum(target.size_bytes for target in targets)))
        return True
