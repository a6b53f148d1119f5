"""Several objects read as one file, one after the other, none of them kept longer than it is needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

__all__ = ["Chain"]


class Chain:
    """What minio-py reads a body from. `size_bytes` and `sha256` are of what has been read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        """`pieces` are fetched as they are needed."""
        self._pieces = pieces
        self._left = b""
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """In hex."""
        return self._digest.hexdigest()

    def read(self, size: int = -1) -> bytes:
        """So many bytes, fewer at the end alone; all that is left for -1."""
        found = [self._left]
        length = len(self._left)
        while size < 0 or length < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            found.append(piece)
            length += len(piece)
        whole = b"".join(found)
        taken, self._left = (whole, b"") if size < 0 else (whole[:size], whole[size:])
        self._digest.update(taken)
        self.size_bytes += len(taken)
        return taken
