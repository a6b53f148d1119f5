"""What of a request is neither a header that we keep nor body: counted, so that nothing on the wire has no end.

httptools reports trailers (RFC 9112, 7.1.2) as headers, keeps what has not ended yet, and says nothing of the sizes and
extensions of chunks. Here headers end where the head ends; what comes behind it is counted and dropped.
"""

from __future__ import annotations

from typing import NoReturn

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from libs import limits
from libs.errors import Refusal

__all__ = ["FramedProtocol"]

#: What a chunk may take of the wire beside itself, as in Go's net/http: a byte at a time is slow, but honest.
_CHUNK_FREE_BYTES = 16
_CHUNK_FREE_FACTOR = 2
_COLON_AND_END = 4  # ": " and CRLF

_FRAMING = "Chunks, their extensions and the trailers behind them have 8 KiB beside the body"


class FramedProtocol(HttpToolsProtocol):
    """uvicorn's, in which every part of a request has a limit of its own.

    A callback that finds one passed leaves the reason in `refusal` and stops the parser, which raises HttpParserError.
    """

    refusal: Refusal | None = None
    in_head = False
    _hosts = 0
    _coding: bytes | None = None
    _head_bytes = 0  # of this head, as far as it was parsed
    _read_bytes = 0  # of this head, in whole reads
    _trailer_bytes = 0
    _messages = 0  # begun in this read
    _was_in_body = False
    _body_bytes = 0  # in this read
    _chunks = 0  # in this read
    _beside_bytes = 0  # of this body, beside what chunks may take

    @property
    def in_body(self) -> bool:
        """Whether the last request's body, or what stands behind it, is still coming."""
        return self.cycle is not None and self.cycle.more_body and not self.in_head

    def begin_read(self) -> None:
        """Bytes are about to be parsed."""
        self._messages = self._body_bytes = self._chunks = 0
        self._was_in_body = self.in_body

    def end_read(self, size: int) -> None:
        """They were; refuses where a part has not ended and has grown too large already."""
        if self.in_head:
            if self._messages and self.cycle is not None:
                return  # it began somewhere in this read, and what of it is whole was counted
            self._read_bytes += size
            if self._read_bytes > limits.HEADERS_BYTES_MAX:
                raise _too_large()
        elif self._was_in_body and not self._messages and self.in_body:
            free = _CHUNK_FREE_BYTES * self._chunks + (1 + _CHUNK_FREE_FACTOR) * self._body_bytes
            self._beside_bytes = max(0, self._beside_bytes + size - free)
            if self._beside_bytes > limits.TRAILERS_BYTES_MAX:
                raise Refusal("headers_too_large", _FRAMING)

    def stop(self, refusal: Refusal) -> NoReturn:
        """End the parsing, in a callback."""
        self.refusal = refusal
        raise refusal

    def on_message_begin(self) -> None:
        """A request begins."""
        self.in_head = True
        self._messages += 1
        self._hosts = self._head_bytes = self._read_bytes = self._trailer_bytes = self._beside_bytes = 0
        self._coding = None
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """More of the request's target."""
        self._head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer: those are counted, and nobody sees them."""
        size = len(name) + len(value) + _COLON_AND_END
        if not self.in_head:
            self._trailer_bytes += size
            if self._trailer_bytes > limits.TRAILERS_BYTES_MAX:
                self.stop(Refusal("headers_too_large", _FRAMING))
            return
        self._head_bytes += size
        if self._head_bytes > limits.HEADERS_BYTES_MAX or len(self.headers) >= limits.HEADERS_MAX:
            self.stop(_too_large())
        name = name.lower()
        if name in _LOOKED_AT:
            self._look_at(name, value)
        self.headers.append((name, value))

    def on_chunk_header(self) -> None:
        """A chunk begins."""
        self._chunks += 1

    def on_body(self, body: bytes) -> None:
        """More of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def head_refusal(self) -> Refusal | None:
        """Why a request with such a head is not carried out, once it is there."""
        version = self.parser.get_http_version()
        if version not in ("1.1", "1.0"):
            return Refusal("malformed_request", "This server speaks HTTP/1.1")
        if self._hosts != 1 and (version == "1.1" or self._hosts):
            return Refusal("malformed_request", "A request names its host, and once (RFC 9112, 3.2)")
        if self._coding is not None and version == "1.0":
            return Refusal("malformed_request", "HTTP/1.0 has no transfer codings (RFC 9112, 6.1)")
        if self._coding not in (None, b"chunked"):
            return Refusal("not_implemented", "The only transfer coding here is chunked (RFC 9112, 6.1)")
        return None

    def _look_at(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            self._hosts += 1
        elif name == b"transfer-encoding":
            self._coding = value.lower() if self._coding is None else b"several"
        else:
            self.expect_100_continue = value.lower() == b"100-continue" and self.parser.get_http_version() == "1.1"


_LOOKED_AT = frozenset({b"host", b"transfer-encoding", b"expect"})


def _too_large() -> Refusal:
    return Refusal(
        "headers_too_large",
        f"Request line and headers have {limits.HEADERS_BYTES_MAX} bytes and {limits.HEADERS_MAX} headers at most",
    )
