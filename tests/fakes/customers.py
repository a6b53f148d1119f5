"""A user of the API: a key, and what one does with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from libs.access.api_key import DEFAULT_SCOPES
from tests.fakes.api import Api, bearer
from tests.patience import PATIENCE_S

__all__ = ["BATCHES", "COMPARED", "COMPARISONS", "JOBS", "PICTURE", "Customer", "customer_of"]

JOBS = "/api/v1/jobs"
BATCHES = "/api/v1/batches"
#: The smallest thing to order.
PICTURE: Mapping[str, Any] = {"prompt": "a lighthouse", "width": 64, "height": 64, "steps": 4, "seed": 7}

COMPARISONS = "/api/v1/comparisons"
#: The smallest thing to compare.
COMPARED: Mapping[str, Any] = {"input": PICTURE, "variants": [{"name": "a"}, {"name": "b", "input": {"steps": 5}}]}


@dataclass(frozen=True)
class Customer:
    """Speaks to the API with one key."""

    http: httpx.AsyncClient
    secret: str

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers=self._headers(headers))

    async def delete(self, path: str) -> httpx.Response:
        return await self.http.delete(path, headers=self._headers({}))

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """POST; a header is named as in Python: `idempotency_key`."""
        return await self.http.post(path, json=body, headers=self._headers(headers))

    async def patch(self, path: str, body: Any) -> httpx.Response:
        return await self.http.patch(path, json=body, headers=self._headers({}))

    async def submit(self, body: Mapping[str, Any] = PICTURE, **headers: str) -> httpx.Response:
        return await self.post(JOBS, body, **headers)

    async def job(self, body: Mapping[str, Any] = PICTURE, **headers: str) -> dict[str, Any]:
        """The job of a submission that is accepted."""
        answer = await self.submit(body, **headers)
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        return job

    async def look(self, job_id: str) -> dict[str, Any]:
        """The job as it is now."""
        answer = await self.get(f"{JOBS}/{job_id}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    async def upload(self, data: bytes, content_type: str = "image/png", name: str = "a.png") -> str:
        """The id of a completed upload."""
        file = {"filename": name, "content_type": content_type, "size_bytes": len(data)}
        made = (await self.post("/api/v1/uploads", file)).json()
        async with httpx.AsyncClient(timeout=PATIENCE_S) as outside:
            (await outside.put(made["url"], content=data, headers=made["headers"])).raise_for_status()
        done = await self.post(made["links"]["complete"])
        assert done.status_code == 200, done.text
        return str(made["id"])

    async def me(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.get("/api/v1/me")).json()
        return found

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        return bearer(self.secret) | {name.replace("_", "-"): text for name, text in more.items()}


async def customer_of(api: Api, plan: str = "internal", **overrides: int | None) -> Customer:
    """A new user of this API."""
    return Customer(api.http, await api.key(plan, DEFAULT_SCOPES, **overrides))
