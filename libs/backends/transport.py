"""HTTP to the backends that an operator configured: bounded in time and in size, and deaf to the environment.

A backend that is away, slow, broken or beside itself is `Unavailable`: the job waits and no attempt is used.
What is told of it never holds an address. (Addresses that callers choose go through `libs.egress` instead.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import orjson

from libs.errors import Unavailable
from libs.spool import Spooler, head_of

__all__ = ["CONNECT_S", "REPLY_BYTES_MAX", "FileContent", "OversizeError", "Reply", "Transport"]

CONNECT_S = 2.0
#: Ceiling of an answer that is not a file: the list of all nodes of a large ComfyUI takes a few megabytes.
REPLY_BYTES_MAX = 32 * 1024 * 1024

#: A file's bytes, or where they are.
FileContent = bytes | Path

_OK = range(200, 300)
_RETRY_AFTER_DIGITS = 7


class OversizeError(Unavailable):
    """A backend's answer was larger than it may be; reading stopped at the ceiling."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A backend's whole answer, whatever its status."""

    part: str
    status: int
    body: bytes
    #: What `Retry-After` says in seconds; a date there is no use to clocks that may be wrong.
    retry_after_s: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the status is a 2xx; redirects are not followed and count as a wrong answer."""
        return self.status in _OK

    def require_ok(self) -> Reply:
        """This reply; raises Unavailable unless its status is a 2xx."""
        if not self.ok:
            raise Unavailable(self.part, f"{self.part} answered with status {self.status}")
        return self

    def find_object(self) -> dict[str, Any] | None:
        """The JSON object in the body; None where there is none."""
        try:
            found = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None
        return found if isinstance(found, dict) else None

    def load_object(self) -> dict[str, Any]:
        """The JSON object in the body; raises Unavailable where there is none."""
        found = self.find_object()
        if found is None:
            raise Unavailable(self.part, f"{self.part} answered with something that is no JSON object")
        return found


class Transport:
    """A connection pool to one backend.

    `call_s` bounds a call as a whole, so that neither silence nor a dripping answer holds it up. `part` is the
    word that errors name the backend by. `headers` go with every call. Raises ValueError when `url` is none.
    """

    def __init__(
        self,
        part: str,
        url: str,
        *,
        call_s: float = 10.0,
        connect_s: float = CONNECT_S,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._part = part
        self._call_s = call_s
        try:
            self._client = httpx.AsyncClient(
                base_url=url,
                timeout=httpx.Timeout(None, connect=connect_s, pool=call_s),
                trust_env=False,
                follow_redirects=False,
                # Compressed answers would make the size that is counted another than the size that is sent.
                headers={"Accept-Encoding": "identity", "User-Agent": "arqade", **(headers or {})},
            )
        except httpx.InvalidURL as error:
            raise ValueError(f"the address of {part} is no URL") from error
        if self._client.base_url.scheme not in ("http", "https") or not self._client.base_url.host:
            raise ValueError(f"the address of {part} must begin with http:// or https://")

    async def aclose(self) -> None:
        """Close the pool."""
        await self._client.aclose()

    async def get(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        total_s: float | None = None,
        bytes_max: int = REPLY_BYTES_MAX,
    ) -> Reply:
        """GET, read as a whole; raises Unavailable, and OversizeError past `bytes_max`."""
        return await self._call(self._client.build_request("GET", path, params=params), total_s, bytes_max)

    async def save(
        self, path: str, into: Spooler, *, params: Mapping[str, str], total_s: float | None = None, bytes_max: int
    ) -> Reply:
        """GET into a file, and a reply whose body is empty; raises as `get` does, having written what came."""
        return await self._call(self._client.build_request("GET", path, params=params), total_s, bytes_max, into)

    async def post(self, path: str, body: Mapping[str, Any], *, total_s: float | None = None) -> Reply:
        """POST a JSON object; raises as `get` does."""
        return await self._send("POST", path, body, total_s)

    async def put(self, path: str, body: Mapping[str, Any], *, total_s: float | None = None) -> Reply:
        """PUT a JSON object; raises as `get` does."""
        return await self._send("PUT", path, body, total_s)

    async def _send(self, method: str, path: str, body: Mapping[str, Any], total_s: float | None) -> Reply:
        request = self._client.build_request(
            method, path, content=orjson.dumps(body), headers={"Content-Type": "application/json"}
        )
        return await self._call(request, total_s, REPLY_BYTES_MAX)

    async def post_file(
        self, path: str, name: str, content: FileContent, fields: Mapping[str, str], *, total_s: float | None = None
    ) -> Reply:
        """POST a file as the member `image` of a multipart form (RFC 7578), with other fields; raises as `get` does."""
        with _opened(content) as file:
            request = self._client.build_request(
                "POST", path, data=dict(fields), files={"image": (name, file, "application/octet-stream")}
            )
            return await self._call(request, total_s, REPLY_BYTES_MAX)

    async def _call(
        self, request: httpx.Request, total_s: float | None, bytes_max: int, into: Spooler | None = None
    ) -> Reply:
        total_s = total_s or self._call_s
        try:
            async with asyncio.timeout(total_s):
                response = await self._client.send(request, stream=True)
                try:
                    read = into or Spooler(bytes_max)
                    await self._read(response, bytes_max, read)
                    body = b"" if into else head_of(read.content(), bytes_max)
                    return Reply(self._part, response.status_code, body, _retry_after_s(response))
                finally:
                    await response.aclose()
        except TimeoutError:
            raise Unavailable(self._part, f"{self._part} took longer than {total_s:g} s to answer") from None
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise Unavailable(self._part, f"{self._part} is not reachable ({type(error).__name__})") from error

    async def _read(self, response: httpx.Response, bytes_max: int, into: Spooler) -> None:
        """Read a body, counting: what its head says of its length is believed only where it says too much."""
        declared = response.headers.get("Content-Length", "")
        if declared.isdecimal() and int(declared) > bytes_max:
            raise self._oversize(bytes_max)
        async for chunk in response.aiter_raw():
            if into.size_bytes + len(chunk) > bytes_max:
                raise self._oversize(bytes_max)
            into.write(chunk)

    def _oversize(self, bytes_max: int) -> OversizeError:
        return OversizeError(self._part, f"an answer of {self._part} is larger than {bytes_max} bytes")


def _opened(content: FileContent) -> AbstractContextManager[bytes | BinaryIO]:
    return content.open("rb") if isinstance(content, Path) else nullcontext(content)


def _retry_after_s(response: httpx.Response) -> float | None:
    told = response.headers.get("Retry-After", "")
    return float(told) if told.isdecimal() and len(told) < _RETRY_AFTER_DIGITS else None
