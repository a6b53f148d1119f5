"""Kinds that only fault runs offer: two that do next to nothing, one that runs at the backend, several that kill."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import time
from typing import Any, Literal, cast

from libs.artifacts.artifact import NewArtifact
from libs.errors import Failure
from libs.kinds import KINDS
from libs.kinds.kind import Attempt, CacheableInput, Input, Kind, Output, ResultCache, Submission
from tests.faults.backend import ask

__all__ = ["BACKEND_PORT", "QUEUE", "offer_fault_kinds"]

QUEUE = "net"
#: The variable that names the backend's port.
BACKEND_PORT = "ARQADE_FAULTS_BACKEND_PORT"
_STUCK_S = 90
_HOG_BYTES = 256 * 1024 * 1024


class Noop(Input):
    n: int = 0


class Copyable(CacheableInput):
    """Leaves a file, and a result that others may be given."""

    n: int = 0


class Sleep(Input):
    """Sleeps `ms`; in later attempts `again_ms`."""

    ms: int = 100
    again_ms: int | None = None
    marked: bool = False


class Render(Input):
    """A run of `ms` at the backend, of which a file of `size` bytes is kept."""

    ms: int = 50
    size: int = 0
    tag: str = "-"


class Poison(Input):
    how: Literal["exit", "kill", "hog"] = "exit"
    after_ms: int = 0


class Flaky(Input):
    """Fails so often, then succeeds."""

    failures: int = 1


class Stuck(Input):
    """Hangs in what no cancellation reaches."""

    how: Literal["thread", "child", "deaf"]


async def noop(wanted: Noop, attempt: Attempt) -> Output:
    return Output({"n": wanted.n})


async def copyable(wanted: Copyable, attempt: Attempt) -> Output:
    return Output({"n": wanted.n}, (NewArtifact("0.txt", "text/plain", str(wanted.n).encode()),))


async def sleep(wanted: Sleep, attempt: Attempt) -> Output:
    """Tells the backend when it begins, when it is stopped, and when it is through."""
    said = "stopped"
    try:
        await _mark(wanted, attempt, "began")
        again = attempt.number > 1 and wanted.again_ms is not None
        await asyncio.sleep((wanted.again_ms or 0 if again else wanted.ms) / 1000)
        said = "finished"
    finally:
        await _mark(wanted, attempt, said)
    return Output({"ms": wanted.ms})


async def _mark(wanted: Sleep, attempt: Attempt, said: str) -> None:
    if wanted.marked:
        mark = {"job": attempt.job_id, "number": attempt.number, "said": said, "pid": os.getpid()}
        await ask(_port(), "POST", "/marks", mark)


async def render(wanted: Render, attempt: Attempt) -> Output:
    submission = attempt.submission
    if submission is None:
        submission = Submission("counting", f"{attempt.job_id}:1", 1)
        await attempt.submitted(submission)
    await attempt.progress(0, 1)
    run = {"job": attempt.job_id, "ref": submission.ref, "ms": wanted.ms, "tag": wanted.tag}
    while (left_s := (await ask(_port(), "POST", "/runs", run))["left_s"]) > 0:
        await asyncio.sleep(left_s)
    file = NewArtifact("0.txt", "text/plain", attempt.job_id.encode().ljust(wanted.size, b"."))
    return Output({"ref": submission.ref}, (file,) if wanted.size else ())


async def stuck(wanted: Stuck, attempt: Attempt) -> Output:
    """A thread, as a look-up of a name or a call of the S3 client is; a child that does not end; a deaf handler."""
    if wanted.how == "thread":
        await asyncio.to_thread(time.sleep, _STUCK_S)
    elif wanted.how == "child":
        child = await asyncio.create_subprocess_exec("sleep", str(_STUCK_S))
        await asyncio.shield(child.wait())
    else:
        until = time.monotonic() + _STUCK_S
        while time.monotonic() < until:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(_STUCK_S)
    return Output()


async def poison(wanted: Poison, attempt: Attempt) -> Output:
    await asyncio.sleep(wanted.after_ms / 1000)
    match wanted.how:
        case "exit":
            os._exit(1)
        case "kill":  # what the kernel does to a process that has eaten all memory
            os.kill(os.getpid(), signal.SIGKILL)
        case "hog":
            _eat()
    return Output()


def _eat() -> None:
    """Eat memory up to a limit: Python says MemoryError, as it does where overcommitting is switched off."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()  # noqa: PTH123, SIM115  # a quick look
    resource.setrlimit(resource.RLIMIT_AS, (used + _HOG_BYTES, before[1]))
    try:
        eaten = bytearray(4 * _HOG_BYTES)
        del eaten
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


async def flaky(wanted: Flaky, attempt: Attempt) -> Output:
    if attempt.number <= wanted.failures:
        raise Failure("flaky", "not this time", retryable=True)
    return Output({"attempt": attempt.number})


def _port() -> int:
    return int(os.environ[BACKEND_PORT])


_ALL: list[Kind[Any]] = [
    Kind(name="noop", queue=QUEUE, input=Noop, run=noop),
    Kind(name="copyable", queue=QUEUE, input=Copyable, run=copyable, cache=ResultCache()),
    Kind(name="sleep", queue=QUEUE, input=Sleep, run=sleep),
    Kind(name="render", queue=QUEUE, input=Render, run=render),
    Kind(name="poison", queue=QUEUE, input=Poison, run=poison),
    Kind(name="flaky", queue=QUEUE, input=Flaky, run=flaky),
    Kind(name="stuck", queue=QUEUE, input=Stuck, run=stuck),
]


def offer_fault_kinds() -> None:
    """Add them to what this process offers."""
    cast("dict[str, Kind[Any]]", KINDS).update({kind.name: kind for kind in _ALL})
