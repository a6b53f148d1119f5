"""A caller's picture, decoded and written anew as PNG: one frame, upright, and nothing in it but its pixels.

It is decoded in a child process of its own, under limits on memory and time: decoders of foreign bytes are not trusted.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from contextlib import suppress
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final

from libs.errors import Failure
from libs.limits import PIXELS_MAX

__all__ = ["PICTURE_TYPES", "clean_picture"]

#: What is taken in, by what its bytes are.
PICTURE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})

_CLEANED_S_MAX = 30.0
_READ, _TOO_LARGE = 0, 4


async def clean_picture(data: bytes, content_type: str, fit: tuple[int, int] | None = None) -> bytes:
    """The picture as PNG; with `fit` (width, height) in that size, what stands over on two sides cut off evenly.

    Raises Failure, the caller's fault, for what is no picture of `content_type` or has more than 25 megapixels.
    """
    if content_type not in PICTURE_TYPES:
        raise _unreadable(f"{content_type} is none of {', '.join(sorted(PICTURE_TYPES))}")
    with TemporaryFile() as given, TemporaryFile() as made:
        await asyncio.to_thread(_put, given, data)
        code = await _run_child({"content_type": content_type, "fit": fit}, given, made)
        if code == _READ:
            return await asyncio.to_thread(_take, made)
    if code == _TOO_LARGE:
        raise _unreadable(f"the picture has more than {PIXELS_MAX // 1_000_000} megapixels")
    raise _unreadable("the picture is damaged, or takes too much to decode")


def _unreadable(detail: str) -> Failure:
    return Failure("image_unreadable", detail, fault="caller")


async def _run_child(order: dict[str, Any], given: BinaryIO, made: BinaryIO) -> int | None:
    """Its exit code, None when it took too long. Files stand for pipes: nobody has to go on reading to see it end."""
    child = await _spawn(order, given, made)
    try:
        async with asyncio.timeout(_CLEANED_S_MAX):
            return await child.wait()
    except TimeoutError:
        return None
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()


async def _spawn(order: dict[str, Any], given: BinaryIO, made: BinaryIO) -> Process:
    """A fresh interpreter in a group of its own; it inherits no environment, so no secret of the worker's."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "libs.backends.pictures.child", str(os.getpid()), json.dumps(order)),
        stdin=given,
        stdout=made,
        start_new_session=True,
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "MALLOC_ARENA_MAX": "2"},
    )


def _put(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.seek(0)


def _take(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
