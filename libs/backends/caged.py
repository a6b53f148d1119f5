"""Running one of our own modules on foreign bytes, in a child process that `libs.backends.cage` locks in.

The bytes are its standard input, what it makes its standard output, and its exit code says how it went.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import Mapping
from contextlib import suppress
from tempfile import TemporaryFile
from typing import Any, BinaryIO

__all__ = ["run_caged"]


async def run_caged(
    module: str, data: bytes, order: Mapping[str, Any], *, seconds_max: float
) -> tuple[int | None, bytes]:
    """The child's exit code and what it made; None where it took longer, and is ended.

    It is called `python -m <module> <our pid> <order as JSON>`. Files stand for pipes: nobody has to go on reading to
    see it end. Being canceled ends it.
    """
    with TemporaryFile() as given, TemporaryFile() as made:
        await asyncio.to_thread(_put, given, data)
        code = await _run(module, json.dumps(order), given, made, seconds_max)
        return code, await asyncio.to_thread(_take, made)


async def _run(module: str, order: str, given: BinaryIO, made: BinaryIO, seconds_max: float) -> int | None:
    """A fresh interpreter in a group of its own; it inherits no environment, so no secret of ours."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", module, str(os.getpid()), order),
        stdin=given,
        stdout=made,
        stderr=DEVNULL,
        start_new_session=True,
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "MALLOC_ARENA_MAX": "2"},
    )
    try:
        async with asyncio.timeout(seconds_max):
            return await child.wait()
    except TimeoutError:
        return None
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()


def _put(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.seek(0)


def _take(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
