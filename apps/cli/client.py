"""Our own API as a command sees it, over HTTP."""

from __future__ import annotations

import asyncio
import json
import mimetypes
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from libs.errors import ArqadeError

__all__ = ["ApiError", "Client", "Event", "open_client"]

_TIMEOUT = httpx.Timeout(30.0, read=60.0)
_OK_MAX = 399
_NO_CONTENT = 204
_RECONNECT_S, _BREAKS_MAX = 0.5, 20


class ApiError(ArqadeError):
    """The API refused, or did not answer; the text is for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event of a job."""

    id: str
    type: str
    data: Mapping[str, Any]


class Client:
    """Calls on behalf of one api key."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The JSON answer; raises ApiError with what the problem says."""
        response = await self._send(method, path, json=body)
        if response.status_code == _NO_CONTENT:
            return {}
        found: dict[str, Any] = response.json()
        return found

    async def upload(self, path: Path) -> str:
        """Put a file into the object store, as any client would; returns the upload's id."""
        content = path.read_bytes()  # noqa: ASYNC240  # nothing else runs meanwhile
        content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        told = {"filename": path.name, "content_type": content_type, "size_bytes": len(content)}
        opened = await self.call("POST", "/api/v1/uploads", told)
        async with httpx.AsyncClient(timeout=_TIMEOUT) as plain:
            stored = await plain.put(opened["url"], content=content, headers=opened.get("headers"))
        if stored.is_error:
            raise ApiError(f"the object store answered {stored.status_code} to the upload")
        await self.call("POST", f"/api/v1/uploads/{opened['id']}/complete")
        return str(opened["id"])

    async def submit(self, kind: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Hand in a job."""
        return await self.call("POST", "/api/v1/jobs", {"kind": kind, "input": wanted})

    async def job(self, job_id: str) -> dict[str, Any]:
        """The job as it is now."""
        return await self.call("GET", f"/api/v1/jobs/{job_id}")

    async def follow(self, job_id: str) -> AsyncIterator[Event]:
        """A job's events to the end; a connection that breaks is taken up again where it broke."""
        last_id, breaks = "", 0
        while True:
            headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
            try:
                async with self._http.stream("GET", f"/api/v1/jobs/{job_id}/events", headers=headers) as response:
                    if response.status_code == _NO_CONTENT:
                        return
                    await _check(response)
                    async for event in _events(response.aiter_lines()):
                        last_id, breaks = event.id or last_id, 0
                        yield event
                        if event.type in {"done", "gone"}:
                            return
            except httpx.TransportError as error:
                breaks += 1
                if breaks > _BREAKS_MAX:
                    raise ApiError(f"{self._http.base_url} does not answer any more") from error
                await asyncio.sleep(_RECONNECT_S)

    async def fetch(self, url: str) -> bytes:
        """The bytes behind a presigned URL."""
        async with httpx.AsyncClient(timeout=_TIMEOUT) as plain:
            response = await plain.get(url)
        if response.is_error:
            raise ApiError(f"the object store answered {response.status_code}")
        return response.content

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = await self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise ApiError(f"{self._http.base_url} does not answer: {error or type(error).__name__}") from error
        await _check(response)
        return response


@asynccontextmanager
async def open_client(url: str, api_key: str) -> AsyncIterator[Client]:
    """A client for the API at `url`."""
    headers = {"Authorization": f"Bearer {api_key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=_TIMEOUT) as http:
        yield Client(http)


async def _check(response: httpx.Response) -> None:
    if response.status_code <= _OK_MAX:
        return
    await response.aread()
    try:
        problem = response.json()
        line = f"{problem['status']} {problem['code']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        line = f"{response.status_code} from {response.url}"
    raise ApiError(line)


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    """Parse server-sent events (WHATWG HTML, 9.2.6)."""
    fields: dict[str, str] = {}
    async for line in lines:
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value
        else:
            if "data" in fields:
                yield Event(fields.get("id", ""), fields.get("event", "message"), json.loads(fields["data"] or "{}"))
            fields = {}
