"""The engine's child: `python -m libs.backends.ocr.child <parent's pid> <bounds as JSON>`, a socket as standard input.

It loads what there is to load, says `ready`, and then reads one page at a time until its input ends. It never sees a
caller's file: what it is given are pixels, of a size that it checks. What goes wrong on purpose (a Failure) is an
answer. Anything else ends the process: its worker starts a clean one.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, Protocol

from PIL import Image

from libs.backends.cage import Profile, frames, limits
from libs.backends.cage.frames import PREFIX_BYTES
from libs.backends.cage.kernel import kernel
from libs.backends.cage.lock import lock_in
from libs.backends.ocr.assess import assessed
from libs.backends.ocr.needs import programs_of, readable_by
from libs.backends.ocr.page import Page
from libs.backends.ocr.rapid import RapidReader
from libs.backends.ocr.tesseract import TesseractReader
from libs.backends.ocr.wire import Bounds, EngineName, Language, Request
from libs.errors import Failure
from libs.limits import PIXELS_MAX

__all__ = ["main"]

_NICENESS = 5  # the worker's heartbeat goes first
_BYTES_A_PIXEL = 3
_PIXELS = 0  # an open file: what was our standard input


class Reader(Protocol):
    """An engine that is ready to read."""

    def read(self, number: int, picture: Image.Image, language: Language) -> Page:
        """The text of a page; `number` is only passed on."""


def main(parent_pid: int, bounds: Bounds) -> None:
    """Serve until the input ends."""
    limits.die_with_parent()
    if limits.orphaned(parent_pid):
        return
    worker = socket.socket(fileno=os.dup(0))
    with suppress(OSError):  # a service manager may refuse it
        os.nice(_NICENESS)
    lock_in(_profile(bounds), kernel())
    serving = _Serving(bounds)
    frames.write(worker.fileno(), {"ready": sorted(serving.readers)})
    while (request := _next(worker)) is not None:
        frames.write(worker.fileno(), serving.answer(request))


def _profile(bounds: Bounds) -> Profile:
    return Profile(
        memory_bytes_max=bounds.memory_bytes_max,
        readable=readable_by(bounds.tesseract),
        programs=programs_of(bounds.tesseract),
        threads=True,
        as_nobody=False,  # the interpreter may lie where only root can read
    )


class _Serving:
    """The loaded engines."""

    def __init__(self, bounds: Bounds) -> None:
        self.readers = _load(bounds)
        self._cpu_s_max = bounds.page_s * bounds.threads

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What is said of a request."""
        try:
            limits.allow_cpu_s(self._cpu_s_max)
            return {"page": self._read(Request(**asked)).as_json()}
        except Failure as failure:
            return {"failure": {"code": failure.code, "detail": failure.detail, "fault": failure.fault}}

    def _read(self, request: Request) -> Page:
        if request.engine not in self.readers:
            raise Failure("engine_unavailable", f"{request.engine} is not installed on this worker")
        picture = _picture(request.width, request.height)
        page = self.readers[request.engine].read(request.number, picture, request.language)
        return assessed(page, picture)


def _load(bounds: Bounds) -> dict[EngineName, Reader]:
    readers: dict[EngineName, Reader] = {}
    if find_spec("rapidocr") is not None:
        readers["rapidocr"] = RapidReader(bounds.threads)
    if bounds.tesseract is not None:
        readers["tesseract"] = TesseractReader(bounds.tesseract, bounds.threads)
    return readers


def _picture(width: int, height: int) -> Image.Image:
    """Pixels and nothing else. They are read, not mapped: a file that shrinks under a map would end us."""
    size = width * height * _BYTES_A_PIXEL
    if not (width > 0 and height > 0 and width * height <= PIXELS_MAX):
        raise ValueError(f"a page of {width} x {height} pixels")
    found = bytearray()
    while len(found) < size and (came := os.pread(_PIXELS, size - len(found), len(found))):
        found += came
    return Image.frombytes("RGB", (width, height), bytes(found))


def _next(worker: socket.socket) -> Mapping[str, Any] | None:
    """A request; None at the end. The open file that came with it is our standard input until the next one comes."""
    head, files, _, _ = socket.recv_fds(worker, PREFIX_BYTES, 1)
    for file in files:
        os.dup2(file, _PIXELS)
        os.close(file)
    return frames.read(worker.fileno(), head) if head else None


if __name__ == "__main__":
    main(int(sys.argv[1]), Bounds(**json.loads(sys.argv[2])))
