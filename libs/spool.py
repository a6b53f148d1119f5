"""Files of a job that are too large to be held in memory: on disk, without a name, gone with whoever holds them.

A worker that is killed leaves nothing behind: the file has no entry in any folder.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, Final

__all__ = ["Content", "Spool", "Spooler", "chunks_of", "head_of", "tail_of"]

_CHUNK_BYTES: Final = 1024 * 1024


class Spool:
    """A file on disk, read from anywhere and from any thread; `len()` is its size in bytes."""

    __slots__ = ("_fd", "_size_bytes")

    def __init__(self, fd: int, size_bytes: int) -> None:
        """`fd` is an open file that has been written to its end; it is this spool's own."""
        self._fd = fd
        self._size_bytes = size_bytes

    def __len__(self) -> int:
        return self._size_bytes

    def __del__(self) -> None:
        os.close(self._fd)

    def read(self, offset: int, length: int) -> bytes:
        """So many bytes from there on, fewer at the end."""
        return os.pread(self._fd, length, offset)

    def reader(self) -> BinaryIO:
        """A file to read it from the start, with a position of its own."""
        return io.BufferedReader(_Reader(self), _CHUNK_BYTES)


#: A file's bytes, or where they are.
Content = bytes | Spool


class _Reader(io.RawIOBase):
    def __init__(self, spool: Spool) -> None:
        super().__init__()
        self._spool = spool
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]  # the interpreter hands us just that
        found = self._spool.read(self._at, len(into))
        into[: len(found)] = found
        self._at += len(found)
        return len(found)


class Spooler:
    """Takes a file's bytes as they come: in memory up to a limit, beyond it on disk."""

    def __init__(self, memory_bytes_max: int) -> None:
        self.size_bytes = 0
        self._memory_bytes_max = memory_bytes_max
        self._memory = io.BytesIO()
        self._fd: int | None = None

    def __del__(self) -> None:
        if self._fd is not None:
            os.close(self._fd)

    def write(self, chunk: bytes) -> None:
        """The next bytes. Raises OSError when the disk is full."""
        self.size_bytes += len(chunk)
        if self._fd is None and self.size_bytes <= self._memory_bytes_max:
            self._memory.write(chunk)
            return
        if self._fd is None:
            with tempfile.TemporaryFile(buffering=0) as file:
                self._fd = os.dup(file.fileno())
            _write_all(self._fd, self._memory.getvalue())
            self._memory = io.BytesIO()
        _write_all(self._fd, chunk)

    def content(self) -> Content:
        """All of it, once; nothing is written afterwards."""
        if self._fd is None:
            return self._memory.getvalue()
        fd, self._fd = self._fd, None
        return Spool(fd, self.size_bytes)


def _write_all(fd: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def head_of(content: Content, length: int) -> bytes:
    """The first bytes."""
    return content[:length] if isinstance(content, bytes) else content.read(0, length)


def tail_of(content: Content, length: int) -> bytes:
    """The last bytes."""
    if isinstance(content, bytes):
        return content[-length:]
    return content.read(max(0, len(content) - length), length)


def chunks_of(content: Content, chunk_bytes: int = _CHUNK_BYTES) -> Iterator[bytes]:
    """All of it, piece by piece."""
    if isinstance(content, bytes):
        yield from (content[at : at + chunk_bytes] for at in range(0, len(content), chunk_bytes))
        return
    for at in range(0, len(content), chunk_bytes):
        yield content.read(at, chunk_bytes)
