"""Starts APIs that die on demand (see `dying_api`)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.api import environment_of, values_for
from tests.fakes.dying_api import SURVIVED
from tests.fakes.processes import eventually
from tests.servers import S3Server

__all__ = ["MortalApi", "MortalApis", "mortal_apis"]


@dataclass(frozen=True)
class MortalApi:
    """One process; it may be dead already."""

    url: str
    pid: int
    log: Path

    def died(self) -> bool:
        """Whether the submission that it was sent was its end."""
        eventually(lambda: self._survived or not self._lives)
        return not self._survived

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    @property
    def _survived(self) -> bool:
        return SURVIVED in self.log.read_bytes()

    @property
    def _lives(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True


@dataclass(frozen=True)
class MortalApis:
    """The program that they are forked from."""

    process: subprocess.Popen[str]
    folder: Path

    def start(self, steps: int) -> MortalApi:
        """One that dies at that step of a submission; 0: never."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        log = self.folder / f"api-{steps}.log"
        log.touch()
        self.process.stdin.write(f"{steps} {log}\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline())
        eventually(lambda: " (Press" in log.read_text())  # uvicorn tells the port that it got
        url = log.read_text().partition("running on ")[2].partition(" ")[0]
        return MortalApi(url, pid, log)


@contextmanager
def mortal_apis(folder: Path, redis_url: str, s3: S3Server) -> Iterator[MortalApis]:
    """Load the API once; whatever was started ends with it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.dying_api"],
        cwd=folder,
        env=environment_of(values_for(redis_url, s3) | {"port": 0}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield MortalApis(process, folder)
        finally:
            process.kill()
