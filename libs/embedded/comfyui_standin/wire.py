"""HTTP/1.1, as much of it as ComfyUI's clients speak: requests with a Content-Length, one answer each (RFC 9112)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

__all__ = [
    "BODY_BYTES_MAX",
    "BadRequestError",
    "Request",
    "Response",
    "json_response",
    "read_request",
    "write_response",
]

HEAD_BYTES_MAX = 64 * 1024
BODY_BYTES_MAX = 64 * 1024 * 1024


class BadRequestError(Exception):
    """What came in is no request that we can read."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request. Header names are in lower case; `head` is the request up to its body, as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    head: bytes

    @property
    def keeps_alive(self) -> bool:
        """Whether more may follow on the connection."""
        return self.headers.get("connection", "").lower() != "close"

    def json(self) -> Any:
        """The body as JSON; raises orjson.JSONDecodeError."""
        return orjson.loads(self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, whole."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


def json_response(value: Any, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(status, orjson.dumps(value), "application/json; charset=utf-8")


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request of a connection; None at its end. Raises BadRequestError."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise BadRequestError from None
    try:
        request_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
        method, target, _version = request_line.split(" ")
        headers = {name.strip().lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
    except ValueError:
        raise BadRequestError from None
    if "transfer-encoding" in headers or not 0 <= length <= BODY_BYTES_MAX:
        raise BadRequestError
    parts = urlsplit(target)
    body = await reader.readexactly(length)
    return Request(method, parts.path, dict(parse_qsl(parts.query)), headers, body, head)


def response_head(response: Response, length: int | None, *, keeps_alive: bool) -> bytes:
    """The status line and headers of an answer whose body has `length` bytes; None: as many as will come."""
    reason = HTTPStatus(response.status).phrase
    headers = (
        ("Content-Type", response.content_type),
        *([] if length is None else [("Content-Length", str(length))]),
        ("Connection", "keep-alive" if keeps_alive else "close"),
        *response.headers,
    )
    lines = [f"HTTP/1.1 {response.status} {reason}", *(f"{name}: {text}" for name, text in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def write_response(writer: asyncio.StreamWriter, response: Response, *, keeps_alive: bool) -> None:
    """Send an answer."""
    writer.write(response_head(response, len(response.body), keeps_alive=keeps_alive) + response.body)
    await writer.drain()
