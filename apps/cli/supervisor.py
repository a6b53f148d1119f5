"""Keeps the parts of a system running, and ends them in order."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from apps.cli.stop import Stop
from libs.embedded.part import Part, wait_until_answering
from libs.embedded.process import Child, StartError

__all__ = ["Supervisor"]

_LOOK_S = 0.1
_BACKOFF_S_MIN, _BACKOFF_S_MAX = 0.2, 10.0
_STEADY_S = 30.0


@dataclass(slots=True)
class _Kept:
    """A part and the process that plays it now; times are of the monotonic clock."""

    part: Part
    child: Child | None
    started_at: float
    starts_at: float = 0.0
    falls: int = 0

    def fell(self, now: float) -> float:
        """Note that the process ended by itself; returns how long to wait before the next."""
        self.falls = 1 if now - self.started_at > _STEADY_S else self.falls + 1
        backoff_s = min(_BACKOFF_S_MAX, _BACKOFF_S_MIN * 2.0 ** min(self.falls - 1, 10))
        self.child, self.starts_at = None, now + backoff_s
        return backoff_s


class Supervisor:
    """Parts start tier by tier, those of one tier together, and end in the reverse order.

    `say` is given one line for each thing that a person should know.
    """

    def __init__(self, stop: Stop, say: Callable[[str], None]) -> None:
        self._stop = stop
        self._say = say
        self._tiers: list[list[_Kept]] = []

    def start(self, parts: Sequence[Part]) -> None:
        """Start a tier and wait until each of its parts answers; raises StartError or Stopped."""
        tier: list[_Kept] = []
        self._tiers.append(tier)
        # One by one: when a part cannot be started, those before it are in the tier and will be ended.
        tier.extend(_Kept(part, part.spawn(), time.monotonic()) for part in parts)
        for kept in tier:
            if kept.child:
                wait_until_answering(kept.part, kept.child, self._stop.pause)

    def watch(self) -> None:
        """Start again whatever ends by itself; raises Stopped when we were asked to stop."""
        while True:
            for kept in self._kept():
                self._look_after(kept)
            self._stop.pause(_LOOK_S)

    def end(self) -> None:
        """End every process, the last tier first; those of one tier are asked together."""
        for tier in reversed(self._tiers):
            running = [(kept.child, kept.part.grace_s) for kept in tier if kept.child]
            for child, _ in running:
                child.send(signal.SIGTERM)
            asked_at = time.monotonic()
            for child, grace_s in running:
                if child.wait(asked_at + grace_s - time.monotonic()) == -signal.SIGKILL:
                    self._say(f"{child.name} did not end within {grace_s:g} s and was killed")
        self._tiers.clear()

    def _kept(self) -> Iterator[_Kept]:
        return chain.from_iterable(self._tiers)

    def _look_after(self, kept: _Kept) -> None:
        now = time.monotonic()
        if kept.child is None:
            if now >= kept.starts_at:
                self._start_again(kept)
        elif not kept.child.running:
            status, words = kept.child.kill(), kept.child.last_words
            backoff_s = kept.fell(now)
            self._say(f"{kept.part.name} ended with status {status} and starts again in {backoff_s:g} s: {words}")

    def _start_again(self, kept: _Kept) -> None:
        try:
            kept.child, kept.started_at = kept.part.spawn(), time.monotonic()
        except StartError as error:
            self._say(f"{error}; trying again in {kept.fell(time.monotonic()):g} s")
