"""The worker's end of one OCR child: start it, ask it, end it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from libs.backends.cage.channel import Channel
from libs.backends.ocr.page import Page
from libs.backends.ocr.wire import Bounds, Request
from libs.errors import Failure, Unavailable

__all__ = ["START_S", "Child"]

#: How long a child may take to load its models; three seconds are usual.
START_S = 60.0


class Child:
    """One child process, started again after it was killed or died.

    `busy` is True from a request to its answer; a busy child can be used for nothing else and is to be killed when
    nobody waits for the rest.
    """

    def __init__(self, bounds: Bounds) -> None:
        """Nothing is started yet."""
        self.busy = False
        self._bounds = bounds
        self._process: Process | None = None
        self._channel: Channel | None = None
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
            self._process, self._channel = await _spawn(self._bounds)
            self._killed = False
            self.busy = True
            try:
                async with asyncio.timeout(START_S):
                    await self._channel.receive()
                self.busy = False
            except (TimeoutError, EOFError, ValueError, ConnectionError) as error:
                raise Unavailable("ocr", "the OCR process does not start") from error
            finally:
                if self.busy:
                    await self.stop()

    async def read(self, request: Request, pixels: int) -> Page:
        """Have a page read; `pixels` is an open file with them. Raises Failure when it or the child gave up."""
        return Page.from_json((await self._answer(asdict(request), (pixels,)))["page"])

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
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        self.busy = False

    async def _answer(self, message: Mapping[str, Any], files: Sequence[int] = ()) -> Mapping[str, Any]:
        self.busy = True
        try:
            async with asyncio.timeout(self._bounds.page_s):
                reply = await self._said(message, files)
        except TimeoutError:
            told = f"A page took longer than {self._bounds.page_s:g} s to read"
            detail = f"{told}: the file is too slow, and is charged; send it smaller, or in parts"
            raise Failure("ocr_timed_out", detail, fault="caller") from None
        self.busy = False
        if "failure" in reply:
            raise Failure(**reply["failure"])
        return reply

    async def _said(self, message: Mapping[str, Any], files: Sequence[int]) -> Mapping[str, Any]:
        if self._channel is None:
            raise _crashed()
        try:
            await self._channel.send(message, files)
            return await self._channel.receive()
        except (EOFError, ValueError, ConnectionError):
            raise _crashed() from None


def _crashed() -> Failure:
    return Failure("ocr_crashed", "The process that read the page died", retryable=True)


async def _spawn(bounds: Bounds) -> tuple[Process, Channel]:
    """A fresh interpreter, in a group of its own: a terminal's Ctrl-C is for the worker, which ends its children.

    It inherits no environment: the secrets of a worker are not for a process that reads foreign pictures.
    """
    threads = str(bounds.threads)
    ours, theirs = socket.socketpair()
    with theirs:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "libs.backends.ocr.child", str(os.getpid()), json.dumps(asdict(bounds))),
            stdin=theirs.fileno(),
            stdout=DEVNULL,  # whatever a library prints
            start_new_session=True,
            env={
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "PYTHONIOENCODING": "utf-8",
                "PYTHONDONTWRITEBYTECODE": "1",  # it can't
                "ORT_DISABLE_TELEMETRY": "1",
                "MALLOC_ARENA_MAX": "2",
                "OMP_NUM_THREADS": threads,
                "OPENBLAS_NUM_THREADS": threads,
                "OPENCV_FOR_THREADS_NUM": threads,
            },
        )
    return process, Channel(ours)
