"""The parent's end of a zygote: have it fork a child for one file, talk with the child, end it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
import weakref
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self

from libs.backends.cage.channel import Channel
from libs.errors import Unavailable
from libs.spool import Content, chunks_of

__all__ = ["ZYGOTE", "ForkServer", "Worked"]

#: The zygote as a program: isolated from environment and working directory, it is told where our packages are.
ZYGOTE: Final = """\
import sys
sys.path[:] = sys.argv[2:]
from libs.backends.cage.zygote import main
main(int(sys.argv[1]))
"""

#: How long the zygote may take to import a task and fork; a tenth of a second and a millisecond are usual.
_FORK_S: Final = 30.0
_TRIES: Final = 2
_SMALL_BYTES: Final = 1024 * 1024


class Worked:
    """A child at work on one file. When it ends, or tells nonsense, EOFError is raised."""

    def __init__(self, channel: Channel, pidfd: int, made: int) -> None:
        self.made_file: Final = made
        self._channel = channel
        self._pidfd = pidfd

    async def say(self, message: Mapping[str, Any]) -> None:
        """Tell it something."""
        try:
            await self._channel.send(message)
        except OSError as error:
            raise EOFError("the child ended") from error

    async def hear(self, timeout_s: float) -> dict[str, Any]:
        """What it says next; raises TimeoutError."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._channel.receive()
        except (OSError, ValueError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise EOFError("the child ended") from error

    async def made(self, size_bytes_max: int) -> bytes:
        """What it has made."""
        size = min(os.fstat(self.made_file).st_size, size_bytes_max)
        return await asyncio.to_thread(os.pread, self.made_file, size, 0)

    def end(self) -> None:
        """Kill it, if it still lives."""
        self._channel.close()
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        os.close(self._pidfd)


class ForkServer:
    """Has children forked, one for each file; the zygote starts with the first, and again when it should have ended."""

    def __init__(self, program: str = ZYGOTE) -> None:
        """Nothing is started yet."""
        self._program = program
        self._control: Channel | None = None
        self._asking = asyncio.Lock()
        self._end: weakref.finalize[..., ForkServer] | None = None

    async def load(self, task: str) -> None:
        """Import the module of a task ahead of its first file; raises Unavailable."""
        async with self._asking:
            await self._ask({"task": task})

    @asynccontextmanager
    async def at_work(self, task: str, order: Mapping[str, Any], given: Content) -> AsyncIterator[Worked]:
        """A child that runs `task` (a module, see `job.Task`) on what is given, for as long as the context lasts.

        Raises Unavailable where none can be had.
        """
        with _OpenFiles() as files:
            file = files.add(_memory_file())
            await _fill(file, given)
            made = files.add(_memory_file())
            worked = await self._forked({"task": task, "order": dict(order)}, file, made)
            try:
                yield worked
            finally:
                worked.end()

    async def close(self) -> None:
        """End the zygote and every child of it."""
        self._lose()

    async def _forked(self, message: Mapping[str, Any], given: int, made: int) -> Worked:
        """Being canceled must not tear an answer from its question: then the child is ended as soon as it is there."""
        forking = asyncio.ensure_future(self._fork(message, os.dup(given), os.dup(made)))
        try:
            channel, pidfd = await asyncio.shield(forking)
        except asyncio.CancelledError:
            forking.add_done_callback(_end_unwanted)
            raise
        return Worked(channel, pidfd, made)

    async def _fork(self, message: Mapping[str, Any], *copies: int) -> tuple[Channel, int]:
        ours, theirs = socket.socketpair()
        channel = Channel(ours)
        try:
            async with self._asking:
                _, pidfd = await self._ask(message, (theirs.fileno(), *copies))
        except BaseException:
            channel.close()
            raise
        finally:
            theirs.close()
            for copy in copies:
                os.close(copy)
        return channel, pidfd

    async def _ask(self, message: Mapping[str, Any], files: Sequence[int] = ()) -> tuple[dict[str, Any], int]:
        for _ in range(_TRIES):
            control = self._control or self._start()
            try:
                async with asyncio.timeout(_FORK_S):
                    await control.send(message, files)
                    return _worked_out(message, *await control.receive_file())
            except (OSError, EOFError, ValueError):
                self._lose()
        raise Unavailable("cage", "the process that decodes files does not start")

    def _start(self) -> Channel:
        ours, theirs = socket.socketpair()
        with theirs:
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-c", self._program, str(os.getpid()), *filter(None, sys.path)],
                {},  # no secret of ours, nor anything else
                file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0), (os.POSIX_SPAWN_DUP2, 2, 1)],
            )
        self._control = Channel(ours)
        self._end = weakref.finalize(self, _end_process, self._control, pid)
        return self._control

    def _lose(self) -> None:
        if self._end is not None:
            self._end()
        self._control = self._end = None


def _worked_out(message: Mapping[str, Any], reply: dict[str, Any], file: int) -> tuple[dict[str, Any], int]:
    if "failed" in reply:
        raise Unavailable("cage", f"{message['task']} cannot be imported: {reply['failed']}")
    return reply, file


class _OpenFiles:
    """Files by their numbers, closed together."""

    def __init__(self) -> None:
        self._files: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            os.close(file)

    def add(self, file: int) -> int:
        self._files.append(file)
        return file


def _memory_file() -> int:
    """A file without a name, in memory where there is such a thing."""
    if sys.platform == "linux":
        return os.memfd_create("cage", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


async def _fill(file: int, data: Content) -> None:
    if len(data) <= _SMALL_BYTES:
        _write(file, data)
    else:
        await asyncio.to_thread(_write, file, data)


def _write(file: int, data: Content) -> None:
    at = 0
    for chunk in chunks_of(data):
        left = memoryview(chunk)
        while left:
            done = os.pwrite(file, left, at)
            left, at = left[done:], at + done


def _end_unwanted(forking: asyncio.Future[tuple[Channel, int]]) -> None:
    if not forking.cancelled() and forking.exception() is None:
        channel, pidfd = forking.result()
        Worked(channel, pidfd, -1).end()


def _end_process(control: Channel, pid: int) -> None:
    """Kill a zygote; the kernel kills its children."""
    control.close()
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
