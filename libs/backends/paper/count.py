"""How many pages a PDF has, counted by the parser that will read them: no header of the file's own is believed.

In a child process of its own, under limits on memory and time, and not many at once: parsers of foreign bytes are not
trusted, and least of all in the process that holds everyone's requests.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from importlib.util import find_spec
from tempfile import TemporaryFile
from typing import BinaryIO, Final

from libs.errors import Failure

__all__ = ["PageCounter"]

_AT_ONCE: Final = 2
_COUNTED_S_MAX: Final = 20.0
_DIGITS_MAX: Final = 9


class PageCounter:
    """Counts the pages of PDF files, one child process a file."""

    def __init__(self, at_once: int = _AT_ONCE, seconds_max: float = _COUNTED_S_MAX) -> None:
        self._room = asyncio.Semaphore(at_once)
        self._seconds_max = seconds_max

    async def count(self, data: bytes) -> int | None:
        """The number of pages, None where the parser is not installed (the extra `ocr`).

        Raises Failure, the caller's fault, for what is no PDF, is encrypted or takes too much.
        """
        if find_spec("pypdfium2") is None:
            return None
        async with self._room:
            with TemporaryFile() as given, TemporaryFile() as told:
                await asyncio.to_thread(_put, given, data)
                code = await self._run_child(given, told)
                answer = await asyncio.to_thread(_take, told)
        if code != 0 or not answer.isdigit() or int(answer) == 0:
            raise Failure("unreadable", "the PDF is damaged or encrypted, or takes too much to read", fault="caller")
        return int(answer)

    async def _run_child(self, given: BinaryIO, told: BinaryIO) -> int | None:
        """Its exit code, None when it took too long. It inherits no environment, so no secret of ours."""
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "libs.backends.paper.child", str(os.getpid())),
            stdin=given,
            stdout=told,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "MALLOC_ARENA_MAX": "2"},
        )
        try:
            async with asyncio.timeout(self._seconds_max):
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
    return file.read(_DIGITS_MAX)
