"""A body as it arrives: decoded, and counted after decoding, so that a small one cannot become a large one."""

from __future__ import annotations

import io
import zlib
from collections.abc import AsyncIterable
from typing import Final, Protocol

from libs.errors import Failure

__all__ = ["read_body"]

#: zlib's word for: either header, gzip's or zlib's (RFC 1952, RFC 1950).
_EITHER_HEADER: Final = 47


class _Decoder(Protocol):
    def feed(self, chunk: bytes, room: int) -> bytes: ...

    def end(self) -> None: ...


async def read_body(chunks: AsyncIterable[bytes], encoding: str, bytes_max: int) -> bytes:
    """The whole body; raises Failure past `bytes_max`, and where it does not decode.

    `encoding` is its Content-Encoding: none, gzip or deflate. We ask for none, and some servers send one anyway.
    """
    decoder = _decoder(encoding.strip().lower())
    read = io.BytesIO()
    async for chunk in chunks:
        try:
            read.write(decoder.feed(chunk, bytes_max - read.tell()))
        except zlib.error:
            raise _undecodable() from None
        if read.tell() > bytes_max:
            raise Failure("url_too_large", f"What the URL leads to is larger than {bytes_max} bytes", fault="caller")
    decoder.end()
    return read.getvalue()


class _Plain:
    def feed(self, chunk: bytes, room: int) -> bytes:
        return chunk

    def end(self) -> None:
        return


class _Inflater:
    """One gzip or zlib stream, nothing behind it."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_EITHER_HEADER)

    def feed(self, chunk: bytes, room: int) -> bytes:
        """At most one byte more than there is room for: the byte that tells that it is too much."""
        decoded = self._stream.decompress(chunk, room + 1)
        if self._stream.unused_data:
            raise _undecodable()
        return decoded

    def end(self) -> None:
        if not self._stream.eof:
            raise _undecodable()


def _decoder(encoding: str) -> _Decoder:
    if encoding in ("", "identity"):
        return _Plain()
    if encoding in ("gzip", "x-gzip", "deflate"):
        return _Inflater()
    raise _undecodable()


def _undecodable() -> Failure:
    return Failure(
        "url_undecodable", "What the URL leads to is broken, or compressed in an unknown way", fault="caller"
    )
