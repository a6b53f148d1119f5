"""What a job's handler says at its first line: to whoever measures, over a datagram socket, around Redis.

Only the standard library: every contestant's worker imports it, each in its own environment.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ADDRESS", "EVERY", "Sighting", "Stand", "Witness", "stand"]

#: Environment: the socket's path, and every how many jobs a word is sent.
ADDRESS, EVERY = "BENCH_WITNESS", "BENCH_EVERY"

_FORMAT = struct.Struct("=qqqq")


@dataclass(frozen=True, slots=True)
class Sighting:
    """A handler's first line in process `pid`: its how-manieth job, when, and the CPU its process has used."""

    pid: int
    count: int
    at_ns: int
    cpu_ns: int


class Witness:
    """The worker's side."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.connect(os.environ[ADDRESS])
        self._every = int(os.environ.get(EVERY, "1"))
        self._count = 0

    def see(self) -> None:
        """To be called as the first thing by every job. The clock is the same in all processes."""
        at_ns = time.monotonic_ns()
        self._count += 1
        if self._count % self._every == 0:
            self._socket.send(_FORMAT.pack(os.getpid(), self._count, at_ns, time.process_time_ns()))


class Stand:
    """The measuring side."""

    def __init__(self, listener: socket.socket, path: Path) -> None:
        self.listener = listener
        self.environment = {ADDRESS: str(path)}

    def wait(self, within_s: float) -> Sighting:
        """The next sighting; raises TimeoutError."""
        if not select.select([self.listener], [], [], within_s)[0]:
            raise TimeoutError(f"no job was seen within {within_s:g} s")
        return Sighting(*_FORMAT.unpack(self.listener.recv(_FORMAT.size)))


@contextmanager
def stand(path: Path) -> Iterator[Stand]:
    """Listen at a path, which is free again at the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        listener.bind(str(path))
        try:
            yield Stand(listener, path)
        finally:
            path.unlink()
