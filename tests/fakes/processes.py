"""Which processes a run left behind: all of ours work in, or below, the folder that they were started in."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.patience import PATIENCE_S

__all__ = ["eventually", "processes_in"]


def processes_in(folder: Path) -> dict[int, str]:
    """The command lines of the processes that live in a folder, by their ids; zombies have no folder any more."""
    inside = folder.resolve()
    found = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and (entry / "cwd").readlink().is_relative_to(inside):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def eventually(holds: Callable[[], object], *, within_s: float = PATIENCE_S) -> None:
    """Wait until something holds; fails, telling what it was last, when it does not in time."""
    deadline = time.monotonic() + within_s
    while not (last := holds()):
        assert time.monotonic() < deadline, f"not within {within_s} s; it is {last!r}"
        time.sleep(0.02)
