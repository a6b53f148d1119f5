"""Worker processes: the real ones, configured by their environment alone."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from libs.embedded.process import tied_to_us
from tests.fakes.api import environment_of, values_for
from tests.patience import PATIENCE_S
from tests.servers import S3Server

__all__ = ["ARQ", "ARQADE", "LOST_AFTER_S", "WorkerProcess", "worker_process"]

#: The two ways to start a worker.
ARQADE = ("-m", "apps.cli.main", "worker")
ARQ = ("-m", "arq", "apps.worker.main.WorkerSettings")

#: The lease of workers that a test kills: it waits so long. Any other's is so long that no busy machine loses it.
LOST_AFTER_S = 3.0
_LEASE_S = 30.0


@dataclass(frozen=True)
class WorkerProcess:
    """A worker in a process of its own."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    async def ended(self, within_s: float = PATIENCE_S) -> int:
        """Its exit code; whoever waits serves on meanwhile."""
        deadline = time.monotonic() + within_s
        while self.running:
            assert time.monotonic() < deadline, f"it still runs:\n{self.log.read_text()}"
            await asyncio.sleep(0.01)
        return self.process.wait()

    def lines(self, level: str) -> list[dict[str, Any]]:
        """What it has logged at one level."""
        lines = [orjson.loads(line) for line in self.log.read_bytes().splitlines() if line.startswith(b"{")]
        return [line for line in lines if line["level"] == level]


@contextmanager
def worker_process(
    folder: Path, redis_url: str, s3: S3Server, *, entry: Sequence[str] = ARQADE, **changes: Any
) -> Iterator[WorkerProcess]:
    """Start a worker; it is killed at the end if it is still there."""
    log = folder / f"worker-{time.monotonic_ns()}.log"
    command = tied_to_us([sys.executable, "-P", *entry])
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment_of(values_for(redis_url, s3) | {"worker_queues": "gpu", "lease_s": _LEASE_S} | changes),
            stdout=output,
            stderr=output,
        )
    try:
        yield WorkerProcess(process, log)
    finally:
        process.kill()
        process.wait()
