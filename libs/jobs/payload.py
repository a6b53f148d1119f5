"""What lies in `arq:job:<id>`: ARQ's own payload, as msgpack with a schema version.

ARQ keeps a dict with one-letter names (`t` try, `f` function, `a` args, `k` kwargs, `et` enqueue time). Ours is that
dict and `v`: a worker that meets a version it does not know puts the job back instead of failing it.
`serialize` and `deserialize` are what a stock ARQ pool is given to enqueue to our workers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgpack

__all__ = ["VERSION", "Payload", "UnknownVersionError", "decode_payload", "deserialize", "encode_payload", "serialize"]

VERSION = 1


class UnknownVersionError(ValueError):
    """A payload written by a newer Arqade."""


@dataclass(frozen=True, slots=True)
class Payload:
    """One unfinished job, as its worker receives it."""

    function: str
    input: dict[str, Any]
    enqueued_at_ms: int


def serialize(message: dict[str, Any]) -> bytes:
    """ARQ's `job_serializer`: jobs and results. What msgpack cannot say (an exception) is told by its repr."""
    packed: bytes = msgpack.packb({**message, "v": VERSION}, default=repr)
    return packed


def deserialize(data: bytes) -> dict[str, Any]:
    """ARQ's `job_deserializer`; raises UnknownVersionError, or ValueError on bytes that are no payload."""
    message = msgpack.unpackb(data, strict_map_key=False)
    if not isinstance(message, dict):
        raise ValueError("the payload is no map")  # noqa: TRY004  # bytes of a wrong kind, not an argument of a wrong type
    if message.get("v") != VERSION:
        raise UnknownVersionError(f"payload version {message.get('v')!r}")
    return message


def encode_payload(kind: str, wanted: dict[str, Any], enqueued_at_ms: int) -> bytes:
    """The payload of one of our jobs: ARQ's function is the kind, its one argument the input."""
    packed: bytes = msgpack.packb(
        {"t": None, "f": kind, "a": (wanted,), "k": {}, "et": enqueued_at_ms, "v": VERSION},
    )
    return packed


def decode_payload(data: bytes) -> Payload:
    """Read one of our own payloads; raises what `deserialize` raises."""
    message = deserialize(data)
    return Payload(message["f"], message["a"][0] if message["a"] else {}, message["et"])
