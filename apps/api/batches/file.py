"""The input file of a batch: an upload of JSON lines, read in pieces."""

from __future__ import annotations

import asyncio
import hashlib
from codecs import BOM_UTF8
from collections.abc import AsyncIterator
from typing import Final

from apps.api.attempting import note_read
from apps.api.request import Request
from libs import limits
from libs.artifacts.upload import Upload
from libs.artifacts.uploads import load_upload
from libs.errors import Refusal, invalid

__all__ = ["load_input_file", "read_lines"]

INPUT_FILE_TYPE: Final = "application/jsonl"
_AT: Final = "#/input_file"
_PIECE_BYTES: Final = 256 * 1024
_LINES_BETWEEN_YIELDS: Final = 1_000


async def load_input_file(request: Request, upload_id: str) -> Upload:
    """The upload that a batch names; refuses one that is not there, not completed, or no JSON lines."""
    try:
        upload = await load_upload(request.home, request.caller.user_id, upload_id)
    except Refusal as refusal:
        if refusal.code != "not_found":
            raise
        raise invalid(_AT, "There is no such upload", "unknown_upload") from None
    if upload.status != "completed":
        raise invalid(_AT, f"The upload is {upload.status}, it must be completed first", "upload_not_completed")
    if upload.content_type != INPUT_FILE_TYPE:
        raise invalid(_AT, f"The upload is {upload.content_type} and not {INPUT_FILE_TYPE}", "wrong_type")
    return upload


async def read_lines(request: Request, upload: Upload) -> AsyncIterator[tuple[int, bytes]]:
    """The lines that are not empty, each with its number from 1. At most one piece of the file is in memory.

    Refuses a line that is too long, and a file that was overwritten after it was completed. Raises Unavailable.
    """
    digest, number, rest = hashlib.sha256(), 0, b""
    for offset in range(0, upload.size_bytes, _PIECE_BYTES):
        piece = await _piece(request, upload, offset)
        note_read(request, bytes_more=len(piece), values=piece.count(b","))
        digest.update(piece)
        *lines, rest = (rest + (piece.removeprefix(BOM_UTF8) if offset == 0 else piece)).split(b"\n")
        for line in lines:
            number += 1
            if number % _LINES_BETWEEN_YIELDS == 0:  # those that are empty are nobody's turn to wait for
                await asyncio.sleep(0)
            yield number, _checked(number, line)
        _checked(number + 1, rest)
    if digest.hexdigest() != upload.sha256:
        raise invalid(_AT, "The upload was overwritten after it was completed", "upload_changed")
    yield number + 1, _checked(number + 1, rest)


async def _piece(request: Request, upload: Upload, offset: int) -> bytes:
    length = min(_PIECE_BYTES, upload.size_bytes - offset)
    piece = await request.resources.objects.get(upload.object_name, bytes_max=length, offset=offset, length=length)
    if piece is None or len(piece) != length:
        raise invalid(_AT, "The upload was overwritten after it was completed", "upload_changed")
    return piece


def _checked(number: int, line: bytes) -> bytes:
    if number > limits.BATCH_LINES_MAX:
        detail = f"A file has at most {limits.BATCH_LINES_MAX} lines, empty ones among them"
        raise invalid(_AT, detail, "too_long")
    if len(line) <= limits.BATCH_LINE_BYTES_MAX:
        return line
    detail = f"A line has at most {limits.BATCH_LINE_BYTES_MAX} bytes"
    raise Refusal(
        "validation_failed",
        f"line {number}: {detail}",
        errors=[{"line": number, "pointer": "#", "detail": detail, "code": "too_long"}],
    )
