"""How many pages a PDF has, counted by the parser that will read them: no header of the file's own is believed.

In a child of its own, in the cage, and not many at once: parsers of foreign bytes are not trusted, and least of all in
the process that holds everyone's requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Final

from libs.backends.cage import ForkServer
from libs.errors import Failure
from libs.spool import Content

__all__ = ["PageCounter"]

_TASK: Final = "libs.backends.paper.child"
_AT_ONCE: Final = 2
_COUNTED_S_MAX: Final = 20.0


class PageCounter:
    """Counts the pages of PDF files, one child process a file."""

    def __init__(self, cage: ForkServer, at_once: int = _AT_ONCE, seconds_max: float = _COUNTED_S_MAX) -> None:
        self._cage = cage
        self._room = asyncio.Semaphore(at_once)
        self._seconds_max = seconds_max

    async def count(self, fetch: Callable[[], Awaitable[Content]]) -> int | None:
        """The number of pages, None where the parser is not installed (the extra `ocr`).

        The file is fetched when its turn has come, so no more of them lie here than are counted.

        Raises Failure, the caller's fault, for what is no PDF, is encrypted or takes too much; Unavailable where no
        child can be had.
        """
        if find_spec("pypdfium2") is None:
            return None
        async with self._room, self._cage.at_work(_TASK, {}, await fetch()) as child:
            try:
                told = await child.hear(self._seconds_max)
            except (EOFError, TimeoutError):
                told = {}
        if not isinstance(told.get("pages"), int) or told["pages"] < 1:
            raise Failure("unreadable", "the PDF is damaged or encrypted, or takes too much to read", fault="caller")
        return int(told["pages"])
