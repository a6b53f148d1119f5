"""A backend that remembers every run, in a process of its own, and a client for it.

::

    POST /runs {"job", "ref", "ms", "tag"}   starts a run, or finds the one of that ref: it never runs a ref twice
    POST /marks {…}                          notes what a handler tells of itself
    POST /forget                             all of it
    GET  /tally                              all runs and marks so far

A run takes its `ms` whoever looks on: killing the worker does not stop it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

__all__ = ["Backend", "Tally", "ask", "backend"]

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Tally:
    """What the backend saw."""

    runs: dict[str, dict[str, Any]]  # by ref
    marks: list[dict[str, Any]]

    def runs_of_jobs(self) -> dict[str, int]:
        """How often each job ran."""
        found: dict[str, int] = defaultdict(int)
        for run in self.runs.values():
            found[run["job"]] += 1
        return dict(found)

    def most_at_once(self, tag: str) -> int:
        """How many runs of a tag went on at the same time."""
        edges = []
        for run in self.runs.values():
            if run["tag"] == tag:
                edges += [(run["at"], 1), (run["at"] + run["ms"] / 1000, -1)]
        most = current = 0
        for _at, step in sorted(edges):
            current += step
            most = max(most, current)
        return most


@dataclass(frozen=True, slots=True)
class Backend:
    """A running backend."""

    port: int

    async def tally(self) -> Tally:
        return Tally(**await ask(self.port, "GET", "/tally"))

    async def forget(self) -> None:
        """Begin anew."""
        await ask(self.port, "POST", "/forget", {})


async def ask(port: int, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """One request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        sent = json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.0\r\nContent-Length: {len(sent)}\r\n\r\n"
        writer.write(head.encode() + sent)
        answer = await reader.read()
    finally:
        writer.close()
    found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


@contextmanager
def backend() -> Iterator[Backend]:
    """Start one on a free port."""
    command = [sys.executable, "-m", "tests.faults.backend"]
    with Popen(command, stdout=PIPE, cwd=_ROOT, text=True) as process:
        assert process.stdout is not None
        try:
            yield Backend(int(process.stdout.readline()))
        finally:
            process.kill()


class _Handler(BaseHTTPRequestHandler):
    runs: dict[str, dict[str, Any]] = {}  # noqa: RUF012  # one server a process
    marks: list[dict[str, Any]] = []  # noqa: RUF012  # the same

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/runs":
            self._note(body)
            self._answer({})
            return
        run = self.runs.setdefault(body["ref"], {**body, "at": time.time()})
        self._answer({"left_s": run["at"] + run["ms"] / 1000 - time.time()})

    def _note(self, body: dict[str, Any]) -> None:
        if self.path == "/marks":
            self.marks.append({**body, "at": time.time()})
        else:
            self.marks.clear()
            self.runs.clear()

    def do_GET(self) -> None:
        self._answer({"runs": self.runs, "marks": self.marks})

    def _answer(self, answer: dict[str, Any]) -> None:
        sent = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name it has in the library
        return


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()
