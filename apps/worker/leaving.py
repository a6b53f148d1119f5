"""Leaving when it is time, whatever hangs.

Python joins its threads before it ends, and a thread that waits for a frozen object store, or for a name server that
does not answer, is not to be interrupted. What it was at is lost to nobody: its job was handed back, or comes due by
itself.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from typing import Final

__all__ = ["EXIT_S", "Leaving"]

log = logging.getLogger(__name__)

#: How long after its grace a worker is gone, at the latest: a deployment kills it soon after.
EXIT_S: Final = 1.9
#: How long threads may take that a worker leaves behind which is done.
_THREADS_S: Final = 0.5
_LOOK_S: Final = 0.05


class Leaving:
    """The process's last resort, asleep until it is told when it has to be gone."""

    def __init__(self) -> None:
        self._at = float("inf")
        self._code = 0
        self._waiting: threading.Thread | None = None

    def after_grace(self, grace_s: float) -> None:
        """It was asked to leave: it may take its grace, and a moment."""
        self._within(grace_s + EXIT_S)

    def is_done(self, code: int) -> None:
        """Nothing is left to do: what still runs in threads is of no use to anybody."""
        self._code = code
        self._within(_THREADS_S)

    def _within(self, seconds: float) -> None:
        self._at = min(self._at, time.monotonic() + seconds)
        if self._waiting is None:
            self._waiting = threading.Thread(target=self._wait, name="leaving", daemon=True)
            self._waiting.start()

    def _wait(self) -> None:
        while (left := self._at - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_S))
        busy = [thread.name for thread in threading.enumerate() if not thread.daemon]
        log.warning("leaving at once; still busy: %s", ", ".join(busy))
        logging.shutdown()
        sys.stdout.flush()
        os._exit(self._code)
