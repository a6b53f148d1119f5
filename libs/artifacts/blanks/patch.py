"""Bytes that stand in place of others of the same length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Patch", "Read"]

#: So many bytes of a file from there on, fewer at its end.
Read = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Patch:
    """What is to stand at an offset of a file."""

    offset: int
    data: bytes

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.offset + len(self.data)
