"""When a breaker opens."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Rule"]


@dataclass(frozen=True, slots=True)
class Rule:
    """Opens on so many failures in a row, or when half of `calls_min` and more within `window_s` failed.

    Stays open for `open_s`, twice as long each time a probe fails, `open_s_max` at most, each ± 20 %. A probe that has
    not come back after `probe_s` is given up, one whose process died after a few seconds.
    """

    failures_in_a_row: int = 5
    calls_min: int = 20
    window_s: float = 60.0
    open_s: float = 5.0
    open_s_max: float = 60.0
    probe_s: float = 60.0
