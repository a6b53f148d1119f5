"""The machine that a process runs on: how busy its processors and its memory are, where Linux tells."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Load", "Machine"]

_FRESH_S = 1.0
_IDLE = (3, 4)  # idle and iowait among the columns of /proc/stat (proc_stat(5))
_KIB = 1_024


@dataclass(frozen=True, slots=True)
class Load:
    """Shares of 0 to 1 and bytes; None where they are not known. In a container with a ceiling, memory is its own."""

    cpu: float | None
    memory_bytes: int | None
    memory_used_bytes: int | None

    @property
    def memory(self) -> float | None:
        """How much of the memory is in use."""
        if not self.memory_bytes or self.memory_used_bytes is None:
            return None
        return self.memory_used_bytes / self.memory_bytes


class Machine:
    """Looks at most once a second, however many ask; the processors' share is that since the look before."""

    def __init__(
        self,
        proc: Path = Path("/proc"),
        cgroup: Path = Path("/sys/fs/cgroup"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._proc = proc
        self._cgroup = cgroup
        self._clock = clock
        self._ticks = self._read_ticks()
        self._looked_at = -_FRESH_S
        self._load = Load(None, None, None)

    def load(self) -> Load:
        """How busy it is."""
        if self._clock() - self._looked_at >= _FRESH_S:
            self._looked_at = self._clock()
            self._load = Load(self._cpu(), *self._memory())
        return self._load

    def _cpu(self) -> float | None:
        before, self._ticks = self._ticks, self._read_ticks()
        if before is None or self._ticks is None:
            return None
        busy, total = (now - then for now, then in zip(self._ticks, before, strict=True))
        return min(1.0, max(0.0, busy / total)) if total > 0 else self._load.cpu

    def _read_ticks(self) -> tuple[int, int] | None:
        """Ticks at work, and all."""
        try:
            first = (self._proc / "stat").read_text().partition("\n")[0]
            ticks = [int(word) for word in first.split()[1:9]]  # guests' time is in the others' already
        except (OSError, ValueError):
            return None
        return sum(ticks) - sum(ticks[at] for at in _IDLE if at < len(ticks)), sum(ticks)

    def _memory(self) -> tuple[int | None, int | None]:
        """All there is, and what is used of it."""
        ceiling, used = (_number(self._cgroup / name) for name in ("memory.max", "memory.current"))
        if ceiling is not None and used is not None:
            return ceiling, used
        try:
            lines = (self._proc / "meminfo").read_text().splitlines()
            known = {name: int(rest.split()[0]) * _KIB for name, _, rest in (line.partition(":") for line in lines)}
            return known["MemTotal"], known["MemTotal"] - known["MemAvailable"]
        except (OSError, ValueError, KeyError, IndexError):
            return None, None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
