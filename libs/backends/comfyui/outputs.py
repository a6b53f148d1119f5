"""The files a prompt left behind: which there are, and whether their bytes are what their names say. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from libs.errors import Failure
from libs.spool import Content, head_of, tail_of

__all__ = [
    "OUTPUTS_MAX",
    "OUTPUT_BYTES_MAX",
    "OUTPUT_MEMORY_BYTES_MAX",
    "OutputFile",
    "Saved",
    "list_saved",
    "require_picture",
]

#: Ceilings of what one prompt may leave behind, all files together.
OUTPUT_BYTES_MAX = 256 * 1024 * 1024
OUTPUTS_MAX = 256
#: So much of it is held in memory; what does not fit lies on disk.
OUTPUT_MEMORY_BYTES_MAX = 8 * 1024 * 1024
_HEAD_BYTES = 64 * 1024

_SIGNATURE_BYTES = 16
_PNG_END = b"IEND\xaeB`\x82"
_SIGNATURES = {
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpg": (b"\xff\xd8\xff",),
    "jpeg": (b"\xff\xd8\xff",),
    "gif": (b"GIF87a", b"GIF89a"),
    "webp": (b"RIFF",),
}


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A fetched output. `media` is ComfyUI's word for it: images, gifs, audio, video, text, 3d, result and more."""

    node: str
    media: str
    name: str
    data: Content

    @property
    def head(self) -> bytes:
        """As much of its beginning as tells what it is."""
        return head_of(self.data, _HEAD_BYTES)


@dataclass(frozen=True, slots=True)
class Saved:
    """An output that the server keeps: a file to fetch, or a text that came with the record."""

    node: str
    media: str
    name: str
    subfolder: str = ""
    folder: str = "output"
    text: str | None = None


def list_saved(outputs: Mapping[str, Any]) -> list[Saved]:
    """Everything a prompt left behind, in the order of its nodes; raises Failure when that is too much."""
    found = [saved for node, media in outputs.items() if isinstance(media, dict) for saved in _of_node(node, media)]
    if len(found) > OUTPUTS_MAX:
        raise Failure("output_too_large", f"the workflow left more than {OUTPUTS_MAX} files")
    return found


def _of_node(node: str, outputs: Mapping[str, Any]) -> Iterator[Saved]:
    for media, entries in outputs.items():
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, dict):
                yield from _file(node, media, entry)
            elif isinstance(entry, str) and "." in entry and media == "result":  # 3-D viewers name a file
                subfolder, _, name = entry.rpartition("/")
                yield Saved(node, media, name, subfolder)
            elif isinstance(entry, str) and entry and media in ("text", "string"):
                yield Saved(node, media, f"{node}-{index}.txt", text=entry)


def _file(node: str, media: str, entry: Mapping[str, Any]) -> Iterator[Saved]:
    """A file, unless it is one of the prompt's own inputs shown again."""
    name, subfolder, folder = entry.get("filename"), entry.get("subfolder") or "", entry.get("type") or "output"
    if isinstance(name, str) and name and isinstance(subfolder, str) and folder in ("output", "temp"):
        yield Saved(node, media, name, subfolder, folder)


def require_picture(name: str, data: Content) -> None:
    """Raise Failure where a file named as a picture is none, or only the beginning of one."""
    extension = name.rpartition(".")[2].lower()
    signatures = _SIGNATURES.get(extension)
    whole = extension != "png" or tail_of(data, len(_PNG_END)) == _PNG_END
    if signatures and not (head_of(data, _SIGNATURE_BYTES).startswith(signatures) and whole):
        raise Failure("backend_output_invalid", f"the backend left a .{extension} that is no picture", retryable=True)
