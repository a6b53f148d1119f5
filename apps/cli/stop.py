"""Being asked to stop: SIGINT, SIGTERM and SIGHUP."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType

__all__ = ["Stop", "Stopped"]

_LONGEST_NAP_S = 0.1


class Stopped(Exception):  # it is no error
    """Raised in a pause once we were asked to stop."""


class Stop:
    """The first signal is noted and found at the next pause, so that nothing is cut off half done.

    The second leaves at once; the kernel then ends our children.
    """

    def __init__(self) -> None:
        self.asked = False

    def listen(self) -> None:
        """From now on, take the signals; to be called in the main thread."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            signal.signal(signal.SIGHUP, self._on_signal)

    def pause(self, seconds: float) -> None:
        """Sleep; raises Stopped when we were asked to stop."""
        deadline = time.monotonic() + seconds
        while not self.asked and (left_s := deadline - time.monotonic()) > 0:
            time.sleep(min(left_s, _LONGEST_NAP_S))
        if self.asked:
            raise Stopped

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            os._exit(128 + number)
        self.asked = True
