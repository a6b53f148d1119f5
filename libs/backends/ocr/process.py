"""The worker's end of one OCR child: start it, ask it, end it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from libs.backends.ocr.wire import PREFIX_BYTES, Bounds, Request, body_size, pack, prefix, unpack
from libs.errors import Failure, Unavailable

__all__ = ["START_S", "Child"]

#: How long a child may take to load its models; three seconds are usual.
START_S = 60.0

_SLICE_BYTES = 256 * 1024


class Child:
    """One child process, started again after it was killed or died.

    `busy` is True from a request to the end of its replies; a busy child can be used for nothing else and is to be
    killed when nobody waits for the rest.
    """

    def __init__(self, bounds: Bounds) -> None:
        """Nothing is started yet."""
        self.busy = False
        self._bounds = bounds
        self._process: Process | None = None
        self._killed = False
        self._starting = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The process's id while it lives."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Have a child that is loaded and waits for a request; raises Unavailable when it will not start."""
        async with self._starting:
            if self.pid is not None and not self._killed:
                return
            await self.stop()  # a killed process still has its pid until it is gone
            self._process = await _spawn(self._bounds)
            self._killed = False
            self.busy = True
            try:
                await self._receive(START_S)
                self.busy = False
            except Failure as failure:
                raise Unavailable("ocr", "the OCR process does not start") from failure
            finally:
                if self.busy:
                    await self.stop()

    async def ask(self, request: Request, data: bytes) -> int:
        """Hand over a file; returns its number of pages. The pages follow, one for each `next_reply`."""
        self.busy = True
        await self._send(request, data)
        page_count: int = (await self._reply("page_count"))["page_count"]
        return page_count

    async def next_reply(self) -> Mapping[str, Any]:
        """`{"page": …}` for each page, `{"pdf": …}` where one was asked for, `{"done": …}` at the end.

        Raises Failure when the file or the child gave up.
        """
        return await self._reply("page", "pdf")

    def kill(self) -> None:
        """End the process now, and what it has started, without waiting."""
        self._killed = True
        if (pid := self.pid) is not None:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    async def stop(self) -> None:
        """End the process and wait until it is gone."""
        self.kill()
        if self._process is not None:
            await self._process.wait()
        self.busy = False

    async def _send(self, request: Request, data: bytes) -> None:
        """Write in slices: a large file is neither copied nor does it hold up the event loop."""
        pipe = self._pipes()[0]
        with suppress(ConnectionError):  # the reply tells why the child is gone
            pipe.write(pack(request) + prefix(len(data)))
            for start in range(0, len(data), _SLICE_BYTES):
                pipe.write(data[start : start + _SLICE_BYTES])
                await pipe.drain()

    async def _reply(self, *expected: str) -> Mapping[str, Any]:
        reply = await self._receive(self._bounds.page_s)
        if "failure" in reply:
            self.busy = False
            raise Failure(**reply["failure"])
        if "done" in reply:
            self.busy = False
        elif not any(name in reply for name in expected):
            raise _crashed()
        return reply

    async def _receive(self, timeout_s: float) -> Mapping[str, Any]:
        pipe = self._pipes()[1]
        try:
            async with asyncio.timeout(timeout_s):
                head = await pipe.readexactly(PREFIX_BYTES)
                return unpack(await pipe.readexactly(body_size(head)))
        except TimeoutError:
            raise Failure("ocr_timed_out", "A page took too long to read", retryable=True) from None
        except (EOFError, ValueError, ConnectionError):
            raise _crashed() from None

    def _pipes(self) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
        if self._process is None or self._process.stdin is None or self._process.stdout is None:
            raise _crashed()
        return self._process.stdin, self._process.stdout


def _crashed() -> Failure:
    return Failure("ocr_crashed", "The process that read the page died", retryable=True)


async def _spawn(bounds: Bounds) -> Process:
    """A fresh interpreter, in a group of its own: a terminal's Ctrl-C is for the worker, which ends its children.

    It inherits no environment: the secrets of a worker are not for a process that decodes foreign bytes.
    """
    threads = str(bounds.threads)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "libs.backends.ocr.child", str(os.getpid()), json.dumps(asdict(bounds))),
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,
        env={
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTHONIOENCODING": "utf-8",
            "MALLOC_ARENA_MAX": "2",
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "OPENCV_FOR_THREADS_NUM": threads,
        },
    )
