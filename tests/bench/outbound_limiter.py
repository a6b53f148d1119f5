"""What the outbound limiter gets out of 450 requests a minute, against an upstream that forgives nothing.

    python -m tests.bench.outbound_limiter [--seconds 300] [--svg docs/explanation/outbound-limiter.svg]

Four worker processes, each with eight requests waiting or under way, send as fast as the limiter lets them. Up to
250 ms lie between a request's sending and its arrival. Twice, side by side: undisturbed, and with a worker killed
(SIGKILL) every 20 s, which another replaces. It begins with the first arrival; nothing is left out.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.bench.chart import Line, chart
from tests.bench.figures import print_table
from tests.bench.processes import spawned
from tests.bench.redis import fresh_redis
from tests.fakes.strict_upstream import strict_upstream

__all__ = ["main"]

_LIMIT, _WINDOW_S, _JITTER_S = 450, 60.0, 0.25
_WORKERS, _SENDERS = 4, 8
_KILL_EVERY_S = 20.0


@dataclass(frozen=True, slots=True)
class Run:
    """What the upstream saw: times of arrival and of kills, in seconds from the first arrival."""

    arrivals: list[float]
    refused: int
    kills: list[float]
    seconds: float

    @property
    def use(self) -> float:
        """The share of the limit that was used, in %."""
        return len(self.arrivals) / (_LIMIT * self.seconds / _WINDOW_S) * 100

    def in_window(self) -> list[tuple[float, int]]:
        """How many arrivals the last 60 s held, at each arrival: the sliding log, as the upstream counts it."""
        first, found = 0, []
        for last, at in enumerate(self.arrivals):
            while self.arrivals[first] <= at - _WINDOW_S:
                first += 1
            found.append((at, last - first + 1))
        return found

    def fullest(self) -> int:
        """The most that any 60 s held."""
        return max(held for _, held in self.in_window())


def measure(seconds: float, kill_every_s: float | None) -> Run:
    """One run, on a Redis and an upstream of its own."""
    with (
        fresh_redis() as (server, _),
        strict_upstream(limit=_LIMIT, window_s=_WINDOW_S, jitter_s=_JITTER_S) as upstream,
        ExitStack() as workers,
    ):
        rule = json.dumps({"per_minute": _LIMIT})
        command = ("tests.fakes.sender", upstream.url, str(_SENDERS), "0", "replicate:create", rule)

        def start() -> ExitStack:
            one = workers.enter_context(ExitStack())
            one.enter_context(spawned(*command, environment={"REDIS_URL": server.url}))
            return one

        running = [start() for _ in range(_WORKERS)]
        while not upstream.arrivals():
            time.sleep(0.05)
        began_at = upstream.arrivals()[0][0]
        kills = []
        for turn in count(1):
            until = began_at + min(seconds, turn * (kill_every_s or seconds))
            time.sleep(max(0.0, until - time.monotonic()))
            if until >= began_at + seconds:
                break
            running[turn % _WORKERS].close()
            kills.append(time.monotonic() - began_at)
            running[turn % _WORKERS] = start()
        time.sleep(_JITTER_S)
        seen = [(at - began_at, let_in) for at, let_in in upstream.arrivals() if at < began_at + seconds]
        return Run([at for at, let_in in seen if let_in], sum(not let_in for _, let_in in seen), kills, seconds)


def _picture(calm: Run, killed: Run) -> str:
    title = f"Requests that the upstream counts in its last 60 s ({_LIMIT} a minute are allowed)"
    lines = [
        Line(f"4 workers: {calm.use:.1f} % of the limit, {calm.refused} refused", "#2563a8", _full_windows(calm)),
        Line(
            f"a worker killed every 20 s: {killed.use:.1f} %, {killed.refused} refused",
            "#c2571a",
            _full_windows(killed),
            marks=[at for at in killed.kills if at >= _WINDOW_S],
        ),
    ]
    across = (_WINDOW_S, calm.seconds)
    return chart(title, "seconds since the first request", lines, across=across, up=(420, 455), limit=_LIMIT)


def _full_windows(run: Run) -> list[tuple[float, float]]:
    """Before the first window is full, the count only grows."""
    return [(at, held) for at, held in run.in_window() if at >= _WINDOW_S]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--svg", type=Path)
    wanted = parser.parse_args(arguments)
    with ThreadPoolExecutor(2) as both:
        calm, killed = both.map(lambda every_s: measure(wanted.seconds, every_s), (None, _KILL_EVERY_S))
    print_table(
        f"{_LIMIT} requests a minute, 4 workers, 0 to 250 ms of jitter, {wanted.seconds:g} s",
        ["let in", "use %", "refused (429)", "fullest 60 s", "kills"],
        {
            name: [len(run.arrivals), round(run.use, 2), run.refused, run.fullest(), len(run.kills)]
            for name, run in (("undisturbed", calm), ("a worker killed every 20 s", killed))
        },
    )
    if wanted.svg:
        wanted.svg.write_text(_picture(calm, killed))


if __name__ == "__main__":
    main()
