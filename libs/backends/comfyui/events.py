"""What ComfyUI says over its WebSocket, as values. Pure: a message in, an event or None out.

None stands for what we have no use for, and for garbage: the socket only brings news sooner, the truth about a prompt
is asked over HTTP.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["FEATURE_FLAGS", "Ended", "Event", "Note", "Preview", "Progress", "Sign", "read_frame", "read_message"]

#: To be sent first on each connection, or previews come without saying whose they are.
FEATURE_FLAGS = '{"type":"feature_flags","data":{"supports_preview_metadata":true}}'

#: Types of binary frames, a big-endian number in front of each.
_PREVIEW, _TEXT, _PREVIEW_WITH_METADATA = 1, 3, 4
_FORMATS = {1: "image/jpeg", 2: "image/png"}
_NOTE_CHARACTERS_MAX = 500
_ENDINGS = frozenset({"execution_success", "execution_error", "execution_interrupted"})


@dataclass(frozen=True, slots=True)
class Progress:
    """A node has done `done` of `total` steps."""

    prompt_id: str | None
    node: str | None
    done: float
    total: float


@dataclass(frozen=True, slots=True)
class Preview:
    """A small picture of the work so far; of an old server it does not say which prompt it belongs to."""

    prompt_id: str | None
    content_type: str
    picture: bytes
    node: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A line that a node shows its user."""

    prompt_id: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The prompt has ended, well or not: its record tells how."""

    prompt_id: str | None


@dataclass(frozen=True, slots=True)
class Sign:
    """The prompt lives: a node begins (`node` says which), has ended, or is known already."""

    prompt_id: str | None
    node: str | None = None


Event = Progress | Preview | Note | Ended | Sign


def read_message(message: str | bytes) -> Event | None:
    """Read a text message, or hand a binary one to `read_frame`."""
    if isinstance(message, bytes):
        return read_frame(message)
    try:
        parsed = orjson.loads(message)
    except orjson.JSONDecodeError:
        return None
    data = parsed.get("data") if isinstance(parsed, dict) else None
    return _read_event(_text(parsed.get("type")), data) if isinstance(data, dict) else None


def _read_event(name: str | None, data: Mapping[str, Any]) -> Event | None:
    prompt_id = _text(data.get("prompt_id"))
    if name in _ENDINGS or (name == "executing" and "node" in data and data["node"] is None):
        return Ended(prompt_id)
    found: Event | None = None
    if name == "progress":
        found = _progress(prompt_id, data.get("node"), data)
    elif name == "progress_state":
        found = _running_node(prompt_id, data.get("nodes"))
    if found is None and prompt_id is not None:
        return Sign(prompt_id, _text(data.get("node")) if name == "executing" else None)
    return found


def _running_node(prompt_id: str | None, nodes: object) -> Progress | None:
    """The progress of the node that runs; a total of 1 says no more than that it runs."""
    for node, state in nodes.items() if isinstance(nodes, dict) else ():
        if isinstance(state, dict) and state.get("state") == "running":
            progress = _progress(prompt_id, node, state)
            if progress and progress.total > 1:
                return progress
    return None


def _progress(prompt_id: str | None, node: object, data: Mapping[str, Any]) -> Progress | None:
    done, total = _number(data.get("value")), _number(data.get("max"))
    if done is None or not total or total < 0 or done < 0:
        return None
    return Progress(prompt_id, _text(node), min(done, total), total)


def read_frame(frame: bytes) -> Event | None:
    """Read a binary message: a type of four bytes, big-endian, and what follows it."""
    try:
        kind, second = struct.unpack_from(">II", frame)
    except struct.error:
        return None
    if kind == _PREVIEW and second in _FORMATS:
        return Preview(None, _FORMATS[second], frame[8:])
    if kind == _PREVIEW_WITH_METADATA:
        return _preview_with_metadata(frame[8 : 8 + second], frame[8 + second :])
    if kind == _TEXT and 8 + second <= len(frame):
        return Note(None, frame[8 + second :].decode(errors="replace")[:_NOTE_CHARACTERS_MAX])
    return None


def _preview_with_metadata(metadata: bytes, picture: bytes) -> Preview | None:
    try:
        told = orjson.loads(metadata)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(told, dict) or told.get("image_type") not in _FORMATS.values() or not picture:
        return None
    return Preview(_text(told.get("prompt_id")), told["image_type"], picture, _text(told.get("node_id")))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> float | None:
    """A finite number; JSON's true is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value
