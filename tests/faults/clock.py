"""A process whose clock is wrong: Python's `time` module tells another time of day than Redis does."""

from __future__ import annotations

import time
from collections.abc import Mapping

__all__ = ["CLOCK", "set_clock"]

#: The variable that names how many seconds it is ahead; behind, when negative.
CLOCK = "ARQADE_FAULTS_CLOCK_S"


def set_clock(environment: Mapping[str, str]) -> None:
    """From now on, as the environment says."""
    ahead_s = int(environment.get(CLOCK, "0"))
    if ahead_s == 0:
        return
    tell, tell_ns = time.time, time.time_ns
    vars(time)["time"] = lambda: tell() + ahead_s
    vars(time)["time_ns"] = lambda: tell_ns() + ahead_s * 1_000_000_000
