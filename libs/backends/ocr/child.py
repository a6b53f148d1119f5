"""The OCR child: `python -m libs.backends.ocr.child <parent's pid> <bounds as JSON>`.

It loads what there is to load, says `ready`, and then answers one request at a time until its input ends. What goes
wrong on purpose (a Failure) is an answer. Anything else ends the process: its worker starts a clean one.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, BinaryIO, Protocol

from PIL import Image

from libs.backends import cage
from libs.backends.ocr.page import Page
from libs.backends.ocr.pictures import open_document
from libs.backends.ocr.rapid import RapidReader
from libs.backends.ocr.searchable import SearchablePdf
from libs.backends.ocr.tesseract import TesseractReader
from libs.backends.ocr.wire import PREFIX_BYTES, Bounds, EngineName, Language, Request, body_size, pack, unpack
from libs.errors import Failure

__all__ = ["main"]

_NICENESS = 5  # the worker's heartbeat goes first


class Reader(Protocol):
    """An engine that is ready to read."""

    def read(self, number: int, picture: Image.Image, language: Language) -> Page:
        """The text of a page; `number` is only passed on."""


def main(parent_pid: int, bounds: Bounds) -> None:
    """Serve until the input ends."""
    cage.die_with_parent()
    if cage.orphaned(parent_pid):
        return
    requests, replies = _take_pipes()
    cage.no_network()
    cage.limit_memory(bounds.memory_bytes_max)
    os.nice(_NICENESS)
    readers = _load(bounds)
    _say(replies, {"ready": sorted(readers)})
    while (request := _next_frame(requests)) is not None:
        data = _next_frame(requests) or b""
        for reply in _answers(Request(**unpack(request)), data, readers, bounds):
            _say(replies, reply)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes to ourselves: whatever a library prints goes to standard error, not between our frames."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return requests, replies


def _load(bounds: Bounds) -> dict[EngineName, Reader]:
    readers: dict[EngineName, Reader] = {}
    if find_spec("rapidocr") is not None:
        readers["rapidocr"] = RapidReader(bounds.threads)
    if bounds.tesseract is not None:
        readers["tesseract"] = TesseractReader(bounds.tesseract, bounds.threads)
    return readers


def _answers(
    request: Request, data: bytes, readers: dict[EngineName, Reader], bounds: Bounds
) -> Iterator[dict[str, Any]]:
    """The replies to one request; each page is sent before the next is read."""
    try:
        cage.allow_cpu_s(bounds.page_s * bounds.threads)
        document = open_document(data, request.content_type)
        yield {"page_count": document.page_count}
        if request.engine is not None:
            reader = _reader(request.engine, readers)
            searchable = SearchablePdf() if request.searchable else None
            for number, picture in enumerate(document.pages(), start=1):
                cage.allow_cpu_s(bounds.page_s * bounds.threads)
                page = reader.read(number, picture, request.language)
                if searchable is not None:
                    searchable.add(picture, page)
                yield {"page": page.as_json()}
            if searchable is not None:
                yield {"pdf": searchable.finish()}
        yield {"done": True}
    except Failure as failure:
        yield {"failure": {"code": failure.code, "detail": failure.detail, "fault": failure.fault}}


def _reader(engine: EngineName, readers: dict[EngineName, Reader]) -> Reader:
    if engine not in readers:
        raise Failure("engine_unavailable", f"{engine} is not installed on this worker")
    return readers[engine]


def _next_frame(pipe: BinaryIO) -> bytes | None:
    head = pipe.read(PREFIX_BYTES)
    return pipe.read(body_size(head)) if len(head) == PREFIX_BYTES else None


def _say(pipe: BinaryIO, message: dict[str, Any]) -> None:
    pipe.write(pack(message))
    pipe.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), Bounds(**json.loads(sys.argv[2])))
