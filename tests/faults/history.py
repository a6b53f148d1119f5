"""What clients asked and what they were answered: every call of a run, in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

__all__ = ["JOBS", "Call", "Client", "History"]

JOBS = "/api/v1/jobs"
_AGAIN_S = 0.05
_GIVE_UP_S = 120.0
_ANSWERED_S = 30.0


@dataclass(frozen=True, slots=True)
class Call:
    """One call; `status` is None when the connection broke before an answer."""

    user: str
    method: str
    route: str
    idempotency: str | None
    began: float
    took_s: float
    status: int | None
    content_type: str = ""
    retry_after: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class History:
    """Every call of every client."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def submissions(self) -> Iterator[Call]:
        return (call for call in self.calls if (call.method, call.route) == ("POST", JOBS))

    def acknowledged(self) -> set[str]:
        """The ids of all jobs that a client was told of with 2xx."""
        return {call.body["id"] for call in self.submissions() if call.accepted}


class Client:
    """A user with a key, who tries again until there is an answer, under the same idempotency key."""

    def __init__(self, http: httpx.AsyncClient, history: History, user_id: str, secret: str) -> None:
        self.user_id = user_id
        self.secret = secret
        self._http = http
        self._history = history
        self.headers = {"Authorization": f"Bearer {secret}"}

    async def call(
        self, method: str, path: str, body: Any = None, idempotency: str | None = None, route: str | None = None
    ) -> Call:
        """One call, without a second try."""
        headers = self.headers | ({"Idempotency-Key": idempotency} if idempotency else {})
        began, clock = time.time(), time.perf_counter()
        facts: dict[str, Any] = {"status": None}
        try:
            answer = await self._http.request(method, path, json=body, headers=headers, timeout=_ANSWERED_S)
            facts = {
                "status": answer.status_code,
                "content_type": answer.headers.get("content-type", ""),
                "retry_after": answer.headers.get("retry-after"),
                "body": answer.json(),
            }
        except httpx.TransportError:
            pass
        finally:  # also when the test gives up waiting: the request may have been carried out
            took_s = time.perf_counter() - clock
            call = Call(self.user_id, method, route or path, idempotency, began, took_s, **facts)
            self._history.calls.append(call)
        return call

    async def submit(self, kind: str, idempotency: str | None = None, **wanted: Any) -> Call:
        return await self.call("POST", JOBS, {"kind": kind, "input": wanted}, idempotency)

    async def insist(self, kind: str, idempotency: str, **wanted: Any) -> str:
        """Submit until it is accepted; the job's id."""
        async with asyncio.timeout(_GIVE_UP_S):
            while not (call := await self.submit(kind, idempotency, **wanted)).accepted:
                assert call.status in {None, 503}, call
                await asyncio.sleep(_AGAIN_S)
        return str(call.body["id"])

    async def look(self, job_id: str) -> dict[str, Any]:
        """The job as it is now; fails unless it is there."""
        call = await self.call("GET", f"{JOBS}/{job_id}", route=JOBS + "/{id}")
        assert call.status == 200, call
        return dict(call.body)
