"""Shows what the processes log, for `arqade up --verbose`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apps.cli import screen

__all__ = ["following"]

_LOOK_S = 0.2


@contextmanager
def following(folder: Path, *, enabled: bool) -> Iterator[None]:
    """While inside, lines that are added to the logs of a folder appear on stderr, behind the log's name."""
    if not enabled:
        yield
        return
    ended = threading.Event()
    follower = threading.Thread(target=_follow, args=(folder, ended), daemon=True)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()


def _follow(folder: Path, ended: threading.Event) -> None:
    read = {path: path.stat().st_size for path in folder.glob("*.log")}
    while not ended.wait(_LOOK_S):
        for path in sorted(folder.glob("*.log")):
            read[path] = _show_from(path, read.get(path, 0))


def _show_from(path: Path, offset: int) -> int:
    """Show the whole lines behind an offset; returns where the next one begins."""
    if path.stat().st_size < offset:
        offset = 0
    with path.open("rb") as log:
        log.seek(offset)
        lines = log.read().rpartition(b"\n")[0]
    for line in lines.decode(errors="replace").splitlines():
        screen.say_of(path.stem, line)
    return offset + len(lines) + bool(lines)
