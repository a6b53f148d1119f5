"""What every refusal looks like (RFC 9457), looked at in one place."""

from __future__ import annotations

from typing import Any

import httpx

from libs.errors import CATALOGUE

__all__ = ["pointers", "refused"]


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem in an answer that must be one: this status, this code, and nothing of our insides."""
    assert answer.headers.get("content-type") == "application/problem+json", f"{answer.status_code} {answer.text}"
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"], body["status"]) == (status, code, status), answer.text
    assert body["type"].endswith(f"#{code}")
    assert body["title"] == CATALOGUE[code].title
    assert body["retryable"] is CATALOGUE[code].retryable
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["detail"]
    assert "Traceback" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert ("retry-after" in answer.headers) is CATALOGUE[code].retryable
    return body


def pointers(answer: httpx.Response) -> dict[str, str]:
    """Where a body that is not valid is wrong, and the code of what is wrong there."""
    found = refused(answer, 422, "validation_failed")["errors"]
    assert all(error["detail"] for error in found)
    return {error["pointer"]: error["code"] for error in found}
