"""The OCR backend of a worker: a pool of child processes, one page set in each at a time."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Final

from libs.backends.cage import ForkServer, Worked
from libs.backends.ocr.page import Box, Page, SearchableFile
from libs.backends.ocr.process import Child
from libs.backends.ocr.wire import Bounds, EngineName, Language, Request
from libs.errors import Failure, Unavailable

__all__ = ["OcrEngine"]

_DECODER: Final = "libs.backends.ocr.decoder"
#: How long a page may take to be drawn.
_DRAWN_S_MAX: Final = 60.0
_PDF_BYTES_MAX: Final = 128 * 1024 * 1024

#: Lines of a page, and its size: what a decoder is told to bind.
Sheet = tuple[tuple[int, int], list[tuple[str, Box]]]


class OcrEngine:
    """Reads pictures in `processes` children of `threads` computing threads each.

    Every child holds its loaded models: about 0.5 GB resident with rapidocr. `memory_bytes_max` bounds a child's
    address space, which is larger than what it uses; `page_s` bounds the time of a page. `tesseract` names the
    program where it is not on the PATH.
    """

    def __init__(
        self,
        processes: int = 1,
        *,
        threads: int = 1,
        memory_bytes_max: int = 4 * 1024**3,
        page_s: float = 120.0,
        tesseract: str = "tesseract",
        cage: ForkServer | None = None,
    ) -> None:
        """Nothing is started yet: `open` does, or else the first page."""
        self._cage = cage or ForkServer()
        bounds = Bounds(threads, memory_bytes_max, page_s, shutil.which(tesseract))
        self._children = [Child(bounds) for _ in range(processes)]
        self._free: asyncio.LifoQueue[Child] = asyncio.LifoQueue()
        self._restarts: set[asyncio.Task[None]] = set()
        for child in self._children:
            self._free.put_nowait(child)

    async def open(self) -> None:
        """Start every child and load its models; raises Unavailable when one does not start."""
        await asyncio.gather(self._cage.load(_DECODER), *(child.start() for child in self._children))

    async def aclose(self) -> None:
        """End every child; what they were reading fails."""
        for restart in self._restarts:
            restart.cancel()
        await asyncio.gather(*self._restarts, *(child.stop() for child in self._children), return_exceptions=True)
        await self._cage.close()

    async def page_count(self, data: bytes, content_type: str) -> int:
        """How many pages a file has; raises Failure `image_unreadable` (the caller's fault) when it is no picture."""
        async with self._cage.at_work(_DECODER, {"content_type": content_type}, data) as document:
            return int((await _said(document))["page_count"])

    async def pages(
        self,
        data: bytes,
        content_type: str,
        *,
        engine: EngineName = "rapidocr",
        language: Language = "en",
        searchable: bool = False,
    ) -> AsyncIterator[Page | SearchableFile]:
        """Each page of a file as soon as it is read, and a searchable PDF of them all last, if it is wanted.

        Left early, the reading stops. Raises Failure: `image_unreadable` (the caller's fault), `engine_unavailable`,
        `language_unavailable`, `ocr_timed_out` (the caller's too), and the retryable `ocr_crashed`; Unavailable when no
        child can be started.
        """
        order = {"content_type": content_type}
        async with self._borrowed() as child, self._cage.at_work(_DECODER, order, data) as document:
            count = int((await _said(document))["page_count"])
            sheets: list[Sheet] = []
            for number in range(1, count + 1):
                width, height = await _next_page(document)
                request = Request(engine, language, number, width, height)
                page = replace(await child.read(request, document.made_file), of=count)
                sheets.append(((width, height), [(line.text, line.box) for line in page.lines]))
                yield page
            if searchable:
                yield SearchableFile(await _bound(document, sheets))

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Child]:
        """A child that is ready; whoever leaves it in the middle of a request leaves it dead."""
        child = await self._free.get()
        try:
            await child.start()
            yield child
        finally:
            if child.busy:
                child.kill()
                self._restart(child)
            self._free.put_nowait(child)

    def _restart(self, child: Child) -> None:
        """Load the next one while nobody waits for it yet."""
        restart = asyncio.create_task(_restarted(child))
        self._restarts.add(restart)
        restart.add_done_callback(self._restarts.discard)


async def _next_page(document: Worked) -> tuple[int, int]:
    """Have the next page drawn; its size in pixels."""
    with suppress(EOFError):  # why it is gone, it may have said before
        await document.say({"next": True})
    width, height = (await _said(document))["page"]
    return int(width), int(height)


async def _bound(document: Worked, sheets: Sequence[Sheet]) -> bytes:
    """The file with what was read laid over its pages."""
    with suppress(EOFError):  # why it is gone, it may have said before
        await document.say({"bind": sheets})
    await _said(document, _DRAWN_S_MAX * len(sheets))
    return await document.made(_PDF_BYTES_MAX)


async def _said(document: Worked, timeout_s: float = _DRAWN_S_MAX) -> dict[str, Any]:
    """What a decoder says. Whatever ends it, or holds it up, is in the file: it does nothing but decode that."""
    try:
        said = await document.hear(timeout_s)
    except (EOFError, TimeoutError):
        raise Failure("image_unreadable", "The file is damaged, or takes too much to decode", fault="caller") from None
    if "failure" in said:
        raise Failure(**said["failure"])
    return said


async def _restarted(child: Child) -> None:
    with suppress(Unavailable):  # whoever needs the child next is told
        await child.start()
