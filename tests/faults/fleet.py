"""Workers of a fault run: processes that are killed, stopped and started again."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from libs.embedded.process import tied_to_us
from tests.patience import PATIENCE_S

__all__ = ["Ending", "Fleet", "Nurse", "Worker", "fleet", "nurse"]

_ROOT = Path(__file__).parents[2]
_START_S = 30.0


class Nurse:
    """The process that workers are forked from (see worker.py); one serves a whole session."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        self.numbers = itertools.count()
        self._in, self._out = process.stdin, process.stdout
        self._unread = b""

    @property
    def fileno(self) -> int:
        return self._out.fileno()

    def order(self, **order: Any) -> None:
        self._in.write(json.dumps(order).encode() + b"\n")
        self._in.flush()

    def heard(self) -> Iterator[dict[str, Any]]:
        """What it has said since; nothing is waited for."""
        self._unread += self._out.read() or b""
        *lines, self._unread = self._unread.split(b"\n")
        return map(json.loads, lines)


@contextmanager
def nurse(folder: Path) -> Iterator[Nurse]:
    """Start one; its children end with it."""
    command = tied_to_us([sys.executable, "-m", "tests.faults.worker"])
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, env=bare, stdin=pipe, stdout=pipe) as process:
        try:
            yield Nurse(process)
        finally:
            process.kill()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended: its exit status (negative: the signal) and when, in seconds since the epoch."""

    status: int
    at: float


@dataclass(slots=True)
class Worker:
    """A worker process; `ended` is set once it is gone."""

    number: int
    log: Path
    pid: int = 0
    born: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    ended: asyncio.Future[Ending] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def alive(self) -> bool:
        return self.pid > 0 and not self.ended.done()

    @property
    def works(self) -> bool:
        """Whether it has got as far as claiming jobs."""
        return self.log.exists() and " jobs at once " in self.log.read_text()

    def send(self, number: signal.Signals) -> None:
        if self.alive:
            os.kill(self.pid, number)

    async def kill(self) -> Ending:
        """kill -9."""
        self.send(signal.SIGKILL)
        return await asyncio.shield(self.ended)

    async def stop(self, within_s: float = PATIENCE_S) -> Ending:
        """Ask it to end, as a deployment does."""
        self.send(signal.SIGTERM)
        async with asyncio.timeout(within_s):
            return await asyncio.shield(self.ended)


class Fleet:
    """The workers of one run; `environment` is what all are given."""

    def __init__(self, nursed_by: Nurse, folder: Path, environment: Mapping[str, str]) -> None:
        self.workers: dict[int, Worker] = {}
        self._nurse = nursed_by
        self._folder = folder
        self._environment = dict(environment)
        self._kept: set[asyncio.Task[None]] = set()

    @property
    def alive(self) -> list[Worker]:
        return [worker for worker in self.workers.values() if worker.alive]

    @property
    def endings(self) -> list[Ending]:
        return [worker.ended.result() for worker in self.workers.values() if worker.ended.done()]

    async def start(self, **environment: Any) -> Worker:
        """One more worker; settings in lower case."""
        number = next(self._nurse.numbers)
        worker = self.workers[number] = Worker(number, self._folder / f"worker-{number}.log")
        given = self._environment | {name.upper(): str(value) for name, value in environment.items()}
        self._nurse.order(start=number, log=str(worker.log), environment=given)
        async with asyncio.timeout(_START_S):
            await asyncio.shield(worker.born)
        return worker

    async def start_many(self, count: int, **environment: Any) -> list[Worker]:
        return [await self.start(**environment) for _ in range(count)]

    def keep(self, count: int, **environment: Any) -> None:
        """As a supervisor does: as soon as one of these ends, start another in its place, until the run is over."""
        for _ in range(count):
            self._kept.add(asyncio.create_task(self._keep_one(environment)))

    async def _keep_one(self, environment: Mapping[str, Any]) -> None:
        while True:
            worker = await self.start(**environment)
            await asyncio.shield(worker.ended)

    def listen(self) -> None:
        """What the nurse tells of these workers."""
        for said in self._nurse.heard():
            number = said.get("started", said.get("ended"))
            if number not in self.workers:
                continue
            worker = self.workers[number]
            if "started" in said:
                worker.pid = said["pid"]
                worker.born.set_result(worker.pid)
            else:
                worker.ended.set_result(Ending(said["status"], said["at"]))

    async def stop(self, within_s: float = PATIENCE_S) -> list[Ending]:
        """Ask all of them to end, for good."""
        await self.abandon()
        return await asyncio.gather(*[worker.stop(within_s) for worker in self.alive])

    async def abandon(self) -> None:
        """Start no more in the place of those that end."""
        for task in self._kept:
            task.cancel()
        await asyncio.gather(*self._kept, return_exceptions=True)
        self._kept.clear()
        await asyncio.gather(*[asyncio.shield(worker.born) for worker in self.workers.values()])

    def logs(self) -> str:
        """What the latest of them said, for a message."""
        logs = [worker.log for worker in self.workers.values() if worker.log.exists()]
        return "\n".join(f"── {log.name}\n{log.read_text()[-4_000:]}" for log in logs[-6:])


@asynccontextmanager
async def fleet(nursed_by: Nurse, folder: Path, environment: Mapping[str, str]) -> AsyncIterator[Fleet]:
    """No worker yet; those that are left at the end are killed."""
    found, loop = Fleet(nursed_by, folder, environment), asyncio.get_running_loop()
    loop.add_reader(nursed_by.fileno, found.listen)
    try:
        yield found
    finally:
        await found.abandon()
        await asyncio.gather(*[worker.kill() for worker in found.alive])
        loop.remove_reader(nursed_by.fileno)
