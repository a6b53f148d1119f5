"""Refusals that the server gives by itself, where there is no request for the application to answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from apps.api.middleware.observe import new_request_id
from apps.api.problems import problem
from libs.errors import Refusal

__all__ = ["Refusing", "written"]

Headers = Sequence[tuple[bytes, bytes]]


class Refusing:
    """The application of one request whose head is enough to know that it is not carried out."""

    def __init__(self, refusal: Refusal, fixed: Headers, after_s: float = 0) -> None:
        """`fixed` are the headers that every answer has. Who came too fast waits `after_s` for it."""
        self._refusal = refusal
        self._fixed = fixed
        self._after_s = after_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it; what else it has to say is not read."""
        await asyncio.sleep(self._after_s)
        status, headers, body = _answer(self._refusal, self._fixed)
        start: dict[str, Any] = {"type": "http.response.start", "status": status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": body})


def written(refusal: Refusal, fixed: Headers) -> bytes:
    """The answer as it goes over the wire, after which the connection closes."""
    status, headers, body = _answer(refusal, fixed)
    lines = [name + b": " + value + b"\r\n" for name, value in headers]
    return b"".join([STATUS_LINE[status], *lines, b"\r\n", body])


def _answer(refusal: Refusal, fixed: Headers) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    request_id = new_request_id()
    answer = problem(refusal, request_id)
    headers = [*answer.raw_headers, *fixed, (b"x-request-id", request_id.encode()), (b"connection", b"close")]
    return answer.status_code, headers, bytes(answer.body)
