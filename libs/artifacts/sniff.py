"""What a file is, told from its first bytes; what its sender says it is counts for nothing.

Pure: bytes in, words out. Nothing is decoded.
"""

from __future__ import annotations

import codecs
import re

__all__ = ["EXTENSIONS", "UNKNOWN", "refine", "sniff"]

UNKNOWN = "application/octet-stream"

#: Every type that `sniff` and `refine` can name, and the extension of its objects.
EXTENSIONS = {
    UNKNOWN: "bin",
    "application/gzip": "gz",
    "application/json": "json",
    "application/jsonl": "jsonl",
    "application/pdf": "pdf",
    "application/zip": "zip",
    "audio/flac": "flac",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/heic": "heic",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/tiff": "tiff",
    "image/webp": "webp",
    "model/gltf+json": "gltf",
    "model/gltf-binary": "glb",
    "model/obj": "obj",
    "text/csv": "csv",
    "text/markdown": "md",
    "text/plain": "txt",
    "text/vtt": "vtt",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
}

#: Kinds of text that bytes alone do not tell apart: the declared type is believed where it refines the sniffed one.
_REFINES = {
    "application/jsonl": frozenset({"application/json", "text/plain"}),
    "model/obj": frozenset({"text/plain"}),
    "text/csv": frozenset({"text/plain"}),
    "text/markdown": frozenset({"text/plain"}),
    "text/plain": frozenset({"application/json", "model/obj"}),
    "text/vtt": frozenset({"text/plain"}),
}

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"glTF", "model/gltf-binary"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\x1f\x8b\x08", "application/gzip"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heic",
    b"qt  ": "video/quicktime",
}
_EBML = b"\x1a\x45\xdf\xa3"
_EBML_HEADER_BYTES = 64
#: A frame of MPEG layer III, ISO 11172-3: 11 bits of sync, a version, layer 01, a bit rate and a sampling rate.
_MP3_FRAME = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xeb]")
#: The header that follows the file header of every bitmap that is still written is 12, 40, 108 or 124 bytes long.
_BMP = re.compile(rb"BM.{12}(?:\x0c|\x28|\x6c|\x7c)\x00\x00\x00", re.DOTALL)
_TEXT_BYTES = 4_096
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_JSON = re.compile(r'\s*(?:\{\s*["}]|\[\s*(?:[\[\]{"0-9-]|true|false|null))')
_GLTF = re.compile(r'"asset"\s*:\s*\{')
_OBJ = re.compile(r"^v\s+-?[0-9.]+\s+-?[0-9.]+\s+-?[0-9.]+", re.MULTILINE)


def sniff(data: bytes) -> str:
    """The content type of a file, from all of it or from its beginning; UNKNOWN where nothing is recognised."""
    for magic, content_type in _MAGIC:
        if data.startswith(magic):
            return content_type
    return _container(data) or _frame(data) or _text(data) or UNKNOWN


def refine(sniffed: str, declared: str) -> str:
    """The declared type where it says more about text than its bytes do, else the sniffed one."""
    return declared if sniffed in _REFINES.get(declared, ()) else sniffed


def _container(data: bytes) -> str | None:
    if data.startswith(b"RIFF"):
        return _RIFF.get(data[8:12])
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "video/mp4")
    if data.startswith(_EBML):
        return "video/webm" if b"webm" in data[:_EBML_HEADER_BYTES] else "video/x-matroska"
    return None


def _frame(data: bytes) -> str | None:
    if _MP3_FRAME.match(data):
        return "audio/mpeg"
    return "image/bmp" if _BMP.match(data) else None


def _text(data: bytes) -> str | None:
    head = data[:_TEXT_BYTES]
    if not head or _NOT_TEXT.search(head):
        return None
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head, final=len(data) <= _TEXT_BYTES)
    except UnicodeDecodeError:
        return None
    if _JSON.match(text):
        return "model/gltf+json" if _GLTF.search(text) else "application/json"
    return "model/obj" if _OBJ.search(text) else "text/plain"
