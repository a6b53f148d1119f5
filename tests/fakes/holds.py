"""How long the event loop is held: by one callback at most, in CPU time, so that a busy machine tells the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Hold", "longest_hold"]


@dataclass(slots=True)
class Hold:
    """The longest so far."""

    seconds: float = 0.0


@contextmanager
def longest_hold() -> Iterator[Hold]:
    """Watch every callback of asyncio's own loop (uvloop's run in C, unseen) within the block."""
    hold, run = Hold(), asyncio.Handle._run

    def watched(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        try:
            run(handle)
        finally:
            hold.seconds = max(hold.seconds, time.thread_time() - began)

    asyncio.Handle._run = watched  # type: ignore[assignment, method-assign]
    try:
        yield hold
    finally:
        asyncio.Handle._run = run  # type: ignore[method-assign]
