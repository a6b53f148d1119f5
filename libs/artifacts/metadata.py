"""Taking out of a file what it says beside its picture, sound or model. ComfyUI writes the whole graph there. Pure.

Nothing is decoded, and nothing but a PNG changes its length: what is taken out is blanked where it stands, in the
terms of its format. A file of another type stays as it is; whoever must not show a graph looks for `MARK` afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from libs.artifacts.blanks.boxes import movie_blanks
from libs.artifacts.blanks.ebml import matroska_blanks
from libs.artifacts.blanks.ogg import ogg_blanks
from libs.artifacts.blanks.patch import Patch, Read
from libs.artifacts.blanks.small import (
    flac_blanks,
    gltf_blanks,
    jpeg_blanks,
    mp3_blanks,
    safetensors_blanks,
    webp_blanks,
)
from libs.artifacts.png import without_texts
from libs.spool import Content, Spooler, chunks_of

__all__ = ["MARK", "without_metadata"]

#: What stands in every graph of ComfyUI's, in the form that it is run and saved in.
MARK: Final = b"class_type"

_CHUNK_BYTES: Final = 1024 * 1024
_BLANKS: Final[Mapping[str, Callable[[Read, int], Iterator[Patch]]]] = {
    "application/x-safetensors": safetensors_blanks,
    "audio/flac": flac_blanks,
    "audio/mpeg": mp3_blanks,
    "audio/ogg": ogg_blanks,
    "image/jpeg": jpeg_blanks,
    "image/webp": webp_blanks,
    "model/gltf-binary": gltf_blanks,
    "video/mp4": movie_blanks,
    "video/quicktime": movie_blanks,
    "video/webm": matroska_blanks,
    "video/x-matroska": matroska_blanks,
}


def without_metadata(content: Content, content_type: str) -> Content:
    """The same file without its metadata; one that is damaged is cleaned as far as it can be read."""
    if content_type == "image/png":
        return without_texts(b"".join(chunks_of(content)))
    blanks = _BLANKS.get(content_type)
    if blanks is None:
        return content
    patches = list(blanks(_reader(content), len(content)))
    return _patched(content, patches) if patches else content


def _reader(content: Content) -> Read:
    if isinstance(content, bytes):
        return lambda offset, length: content[offset : offset + length]
    return content.read


def _patched(content: Content, patches: list[Patch]) -> Content:
    if isinstance(content, bytes):
        whole = bytearray(content)
        for patch in patches:
            whole[patch.offset : patch.end] = patch.data
        return bytes(whole)
    into = Spooler(0)
    offset = 0
    for piece in chunks_of(content, _CHUNK_BYTES):
        into.write(_with(piece, offset, patches))
        offset += len(piece)
    return into.content()


def _with(piece: bytes, offset: int, patches: list[Patch]) -> bytes:
    """A piece of a file that begins there, with as much of each patch as falls into it."""
    changed = bytearray(piece)
    for patch in patches:
        start, end = max(offset, patch.offset), min(offset + len(piece), patch.end)
        if start < end:
            changed[start - offset : end - offset] = patch.data[start - patch.offset : end - patch.offset]
    return bytes(changed)
