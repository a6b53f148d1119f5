"""A provider that limits its requests and forgives nothing: a real HTTP server, in a process of its own.

    python -m tests.fakes.strict_upstream --limit 450 --window 60 --jitter 0.25        prints its port

It counts in both ways that are in use, and a request must pass both: a sliding log (no span of a window ever holds more
than the limit) and fixed windows. What it refuses counts, too. Between a request's sending and its arrival, when it is
counted, lies up to `jitter` seconds, drawn for each request.

POST /v1/predictions 201, or 429 with Retry-After, or the next of the faults
GET  /figures        when each request arrived, in seconds, and whether it was let in
POST /faults         {"next": ["500", "404", "garbage", "hang", "drop", "429"]}: what happens to the next requests
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from libs.embedded.process import tied_to_us
from tests.patience import PATIENCE_S

__all__ = ["StrictUpstream", "strict_upstream"]

_ROOT = Path(__file__).parents[2]
_HANG_S = 3_600.0


@dataclass(slots=True)
class Book:
    """Who arrived when, counted in both ways."""

    limit: int
    window_s: float
    arrivals: list[tuple[float, bool]] = field(default_factory=list)
    _log: deque[float] = field(default_factory=deque)
    _fixed: Counter[int] = field(default_factory=Counter)

    def arrive(self, at: float) -> bool:
        """Count an arrival; whether it is let in."""
        window = int(at / self.window_s)
        while self._log and self._log[0] <= at - self.window_s:
            self._log.popleft()
        self._log.append(at)
        self._fixed[window] += 1
        let_in = len(self._log) <= self.limit and self._fixed[window] <= self.limit
        self.arrivals.append((at, let_in))
        return let_in

    def frees_in(self, at: float) -> float:
        """Seconds until one more would be let in."""
        return max(0.0, self._log[0] + self.window_s - at)


class Upstream:
    """The application."""

    def __init__(self, limit: int, window_s: float, jitter_s: float) -> None:
        self._book = Book(limit, window_s)
        self._jitter_s = jitter_s
        self._faults: deque[str] = deque()
        self.app = Starlette(
            routes=[
                Route("/v1/predictions", self._predict, methods=["POST"]),
                Route("/figures", self._figures),
                Route("/faults", self._order_faults, methods=["POST"]),
            ]
        )

    async def _predict(self, request: Request) -> Response:
        await asyncio.sleep(random.uniform(0, self._jitter_s))
        now = time.monotonic()
        let_in = self._book.arrive(now)
        if self._faults:
            return await self._fail(self._faults.popleft())
        if not let_in:
            return JSONResponse({"detail": "too many"}, 429, {"Retry-After": f"{self._book.frees_in(now):.3f}"})
        return JSONResponse({"id": str(len(self._book.arrivals)), "status": "starting"}, 201)

    async def _fail(self, fault: str) -> Response:
        if fault == "garbage":
            return PlainTextResponse("<html>not quite</html>", 200)
        if fault == "drop":
            raise RuntimeError("the connection is cut")
        if fault == "hang":
            await asyncio.sleep(_HANG_S)
        return JSONResponse({"detail": "as ordered"}, int(fault), {"Retry-After": "1"} if fault == "429" else {})

    async def _figures(self, request: Request) -> Response:
        return JSONResponse({"arrivals": self._book.arrivals})

    async def _order_faults(self, request: Request) -> Response:
        self._faults.extend((await request.json())["next"])
        return Response(status_code=204)


@dataclass(frozen=True)
class StrictUpstream:
    """A running one, seen from outside."""

    url: str
    pid: int

    def arrivals(self) -> list[tuple[float, bool]]:
        """When each request arrived, and whether it was let in."""
        told = cast("dict[str, Any]", httpx.get(f"{self.url}/figures", timeout=PATIENCE_S).json())
        return [(at, let_in) for at, let_in in told["arrivals"]]

    def refused(self) -> int:
        """How many requests got a 429 that was earned."""
        return sum(not let_in for _, let_in in self.arrivals())

    def freeze(self, seconds: float) -> None:
        """Stop it, as a machine without a processor to spare does; what is sent meanwhile arrives later."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def fail_next(self, *faults: str) -> None:
        """What happens to the next requests."""
        httpx.post(f"{self.url}/faults", json={"next": faults}, timeout=PATIENCE_S).raise_for_status()


@contextmanager
def strict_upstream(*, limit: int, window_s: float, jitter_s: float = 0.0) -> Iterator[StrictUpstream]:
    """Start one and wait until it listens; killed at the end."""
    numbers = ["--limit", str(limit), "--window", str(window_s), "--jitter", str(jitter_s)]
    command = tied_to_us([sys.executable, "-m", "tests.fakes.strict_upstream", *numbers])
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield StrictUpstream(f"http://127.0.0.1:{int(process.stdout.readline())}", process.pid)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, required=True)
    parser.add_argument("--window", type=float, default=60.0)
    parser.add_argument("--jitter", type=float, default=0.0)
    wanted = parser.parse_args(arguments)
    upstream = Upstream(wanted.limit, wanted.window, wanted.jitter)
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        print(listening.getsockname()[1], flush=True)
        config = uvicorn.Config(upstream.app, log_level="critical", lifespan="off", timeout_keep_alive=120)
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
