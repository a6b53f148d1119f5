"""The files a prompt left behind: which there are, and whether their bytes are what their names say. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from libs.errors import Failure
from libs.spool import Content, head_of, tail_of

__all__ = [
    "OUTPUTS_MAX",
    "OUTPUT_BYTES_MAX",
    "OUTPUT_MEMORY_BYTES_MAX",
    "Outcome",
    "OutputFile",
    "Saved",
    "list_saved",
    "require_picture",
    "values_of",
]

#: Ceilings of what one prompt may leave behind, all files together.
OUTPUT_BYTES_MAX = 256 * 1024 * 1024
OUTPUTS_MAX = 256
#: So much of it is held in memory; what does not fit lies on disk.
OUTPUT_MEMORY_BYTES_MAX = 8 * 1024 * 1024
_HEAD_BYTES = 64 * 1024

#: Not an output: whether the pictures beside it move.
_ANIMATED = "animated"
_MESH = re.compile(r"\.(?:fbx|glb|gltf|ksplat|obj|ply|splat|spz|stl|usdz)(?: \[(?:output|temp)\])?$", re.IGNORECASE)
_FOLDER_MARK = re.compile(r" \[(output|temp)\]$")

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
    """A fetched output. `media` is ComfyUI's word for it: images, gifs, audio, video, text, 3d, result and more.

    `name` and `subfolder` are ComfyUI's own; `folder` is `output`, or `temp` for what is only shown.
    """

    node: str
    media: str
    name: str
    data: Content
    subfolder: str = ""
    folder: str = "output"

    @property
    def head(self) -> bytes:
        """As much of its beginning as tells what it is."""
        return head_of(self.data, _HEAD_BYTES)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a prompt left: files, what nodes told that is no file (by node, then by ComfyUI's word), and warnings."""

    files: tuple[OutputFile, ...] = ()
    values: Mapping[str, Mapping[str, list[Any]]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Saved:
    """An output that the server keeps: a file to fetch, or a text that came with the record.

    `is_guess` is of a text that looks like the name of a file: it may be no more than a text.
    """

    node: str
    media: str
    name: str
    subfolder: str = ""
    folder: str = "output"
    text: str | None = None
    is_guess: bool = False

    @property
    def path(self) -> str:
        """Folder and name, as a node tells them."""
        return f"{self.subfolder}/{self.name}" if self.subfolder else self.name


def list_saved(outputs: Mapping[str, Any], *, previews: bool = False) -> list[Saved]:
    """Everything a prompt left behind, in the order of its nodes, each file once; raises Failure when that is too much.

    What lies in the folder for previews is left out, unless `previews` asks for it or there is nothing else.
    """
    found: dict[tuple[str, ...], Saved] = {}
    for node, media in outputs.items():
        for saved in _of_node(node, media) if isinstance(media, dict) else ():
            found.setdefault((saved.folder, saved.subfolder, saved.name), saved)
    listed = list(found.values())
    if not previews and any(saved.folder == "output" for saved in listed):
        listed = [saved for saved in listed if saved.folder == "output"]
    if len(listed) > OUTPUTS_MAX:
        raise Failure("output_too_large", f"the workflow left more than {OUTPUTS_MAX} files")
    return listed


def values_of(outputs: Mapping[str, Any]) -> dict[str, dict[str, list[Any]]]:
    """What nodes told that is no file: texts, tags, scores, JSON, by node and by ComfyUI's word for it."""
    found: dict[str, dict[str, list[Any]]] = {}
    for node, media in outputs.items():
        for word, entries in media.items() if isinstance(media, dict) else ():
            told = [one for one in _listed(entries) if word != _ANIMATED and one is not None and not _names_file(one)]
            if told:
                found.setdefault(node, {})[word] = told
    return found


def _of_node(node: str, outputs: Mapping[str, Any]) -> Iterator[Saved]:
    for media, entries in outputs.items():
        for index, entry in enumerate(_listed(entries)):
            if isinstance(entry, dict):
                yield from _file(node, media, entry)
            elif isinstance(entry, str) and _MESH.search(entry):  # 3-D viewers name a file
                yield _placed(Saved(node, media, entry, is_guess=True))
            elif isinstance(entry, str) and entry and media in ("text", "string"):
                yield Saved(node, media, f"{node}-{index}.txt", text=entry)


def _file(node: str, media: str, entry: Mapping[str, Any]) -> Iterator[Saved]:
    """A file, unless it is one of the prompt's own inputs shown again."""
    name, subfolder, folder = entry.get("filename"), entry.get("subfolder") or "", entry.get("type") or "output"
    if isinstance(name, str) and name and isinstance(subfolder, str) and folder in ("output", "temp"):
        is_guess = entry.get("mediaType") == "3d" and not subfolder  # newer servers make files of such texts themselves
        yield _placed(Saved(node, media, name, subfolder, folder, is_guess=is_guess))


def _placed(saved: Saved) -> Saved:
    """The same with its folders told apart: `3d/mesh.glb [temp]` is `mesh.glb` in the folder `3d` of `temp`."""
    name, folder = saved.name, saved.folder
    if marked := _FOLDER_MARK.search(name):
        name, folder = name[: marked.start()], marked.group(1)
    subfolder, slash, stem = name.replace("\\", "/").rpartition("/")
    if not slash:
        return replace(saved, name=name, folder=folder)
    return replace(saved, name=stem, folder=folder, subfolder="/".join(filter(None, (saved.subfolder, subfolder))))


def _names_file(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("filename"), str)


def _listed(entries: Any) -> Sequence[Any]:
    return entries if isinstance(entries, list) else ()


def require_picture(name: str, data: Content) -> None:
    """Raise Failure where a file named as a picture is none, or only the beginning of one."""
    extension = name.rpartition(".")[2].lower()
    signatures = _SIGNATURES.get(extension)
    whole = extension != "png" or tail_of(data, len(_PNG_END)) == _PNG_END
    if signatures and not (head_of(data, _SIGNATURE_BYTES).startswith(signatures) and whole):
        raise Failure("backend_output_invalid", f"the backend left a .{extension} that is no picture", retryable=True)
