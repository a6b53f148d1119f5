"""A child's view of its one job: what it is given, what it makes of it, and whom it tells."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol

from libs.backends.cage import frames
from libs.backends.cage.profile import Profile

__all__ = ["Job", "Task"]


class Job:
    """One order and its file. Everything here is by plain read and write: a child can do little else."""

    def __init__(self, order: Mapping[str, Any], channel: int, given: int, made: int) -> None:
        """Take over three open files."""
        self.order = order
        self._channel = channel
        self._given = given
        self._made = made

    def given(self) -> bytes:
        """The caller's file."""
        return _read(self._given, os.fstat(self._given).st_size)

    def make(self, data: bytes | memoryview) -> int:
        """Leave a result, in the place of the one before; returns its size. Raises OSError when it is too large."""
        os.ftruncate(self._made, 0)
        left, at = memoryview(data), 0
        while left:
            done = os.pwrite(self._made, left, at)
            left, at = left[done:], at + done
        return at

    def say(self, message: Mapping[str, Any]) -> None:
        """Tell our process something."""
        frames.write(self._channel, message)

    def hear(self) -> dict[str, Any] | None:
        """What it says next; None when it has hung up."""
        return frames.read(self._channel)


class Task(Protocol):
    """What a module offers whose code is to run in the cage: how much it may, and what it does."""

    PROFILE: Profile

    def serve(self, job: Job) -> None:
        """The child's life; what it raises ends it without a word."""


def _read(file: int, size_bytes: int) -> bytes:
    found = bytearray()
    while len(found) < size_bytes and (came := os.pread(file, size_bytes - len(found), len(found))):
        found += came
    return bytes(found)
