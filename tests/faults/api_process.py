"""The API of a fault run: a process that may be killed and started again at its port."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from libs.embedded.process import tied_to_us

__all__ = ["ApiProcess", "api_process"]

_ROOT = Path(__file__).parents[2]
_START_S = 30.0
_LOOK_AGAIN_S = 0.02


@dataclass
class ApiProcess:
    folder: Path
    environment: dict[str, str]
    url: str = ""
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def launch(self) -> None:
        """Start it; `listens` says when it does."""
        self.starts += 1
        with self._log.open("wb") as stderr:
            command = tied_to_us([sys.executable, "-m", "tests.faults.api"])
            self.process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stderr=stderr)

    def listens(self) -> bool:
        """uvicorn tells the port that it got; a second process of ours gets the same."""
        assert self.process is not None
        assert self.process.poll() is None, self._log.read_text()
        _, _, rest = self._log.read_text().partition("running on ")
        if " (Press" not in rest:
            return False
        self.url = rest.partition(" ")[0]
        self.environment["PORT"] = self.url.rpartition(":")[2]
        return True

    async def start(self) -> None:
        self.launch()
        async with asyncio.timeout(_START_S):
            while not self.listens():
                await asyncio.sleep(_LOOK_AGAIN_S)

    @asynccontextmanager
    async def told(self, settings: Mapping[str, Any]) -> AsyncIterator[None]:
        """Runs in this block, where there are `settings` with these, and as it was before without them."""
        usual = dict(self.environment)
        if settings:
            self.kill()
            self.environment |= {name.upper(): str(value) for name, value in settings.items()}
        if self.process is None or self.process.poll() is not None:
            await self.start()
        try:
            yield
        finally:
            if settings:
                self.kill()  # the next run starts it again
                self.environment = usual

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def _log(self) -> Path:
        return self.folder / f"api-{self.starts}.log"


@contextmanager
def api_process(folder: Path, environment: Mapping[str, str]) -> Iterator[ApiProcess]:
    """Start it on a free port."""
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT), "PORT": "0"}
    started = ApiProcess(folder, bare | dict(environment))
    started.launch()
    try:
        deadline = time.monotonic() + _START_S
        while not started.listens():
            assert time.monotonic() < deadline, "the API does not listen"
            time.sleep(_LOOK_AGAIN_S)
        yield started
    finally:
        started.kill()
