"""The frame of `arqade doctor`: what a check is, and how they are done.

A check is a function that looks at one part and yields findings: what it found as a sentence, what to do about it, and
whether it keeps a process from serving, which makes the exit code. To add one, write the function and name it in
`apps.cli.checks`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from apps.settings import Settings

__all__ = ["Check", "Find", "done", "exit_code"]

Level = Literal["good", "warning", "bad"]

_EXIT: Final[dict[Level, int]] = {"good": 0, "warning": 0, "bad": 1}


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `bad` keeps a process from serving; a `warning` will hurt later. `remedy` is what to do about it."""

    level: Level
    part: str
    line: str
    remedy: str = ""

    @property
    def told(self) -> str:
        """The sentence, and what to do."""
        return f"{self.line}: {self.remedy}" if self.remedy else self.line


#: Looks at one part. What it cannot reach it says; it raises nothing.
Find = Callable[[Settings], AsyncIterator[Check]]


async def done(finds: Sequence[Find], settings: Settings) -> list[Check]:
    """Every finding, part by part; all parts are looked at at once."""
    found = await asyncio.gather(*(_all(find, settings) for find in finds))
    return [check for part in found for check in part]


def exit_code(found: Sequence[Check]) -> int:
    """0 when nothing keeps a process from serving, else 1."""
    return max((_EXIT[check.level] for check in found), default=0)


async def _all(find: Find, settings: Settings) -> list[Check]:
    return [check async for check in find(settings)]
