"""The vocabulary of everything that can go wrong on purpose.

::

    ArqadeError
    ├── Refusal       to a caller: the request is not carried out, and here is why
    ├── Failure       of an attempt: the job did not succeed this time
    └── Unavailable   a part we depend on is away; nothing is wrong with the job or the request
        ├── StoreFull      it answers, and has no room for what adds something
        └── StoreReadOnly  it answers, and takes no write at all

Anything else that is raised is a bug.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote

__all__ = [
    "CATALOGUE",
    "ArqadeError",
    "Failure",
    "Fault",
    "Problem",
    "Refusal",
    "StoreFull",
    "StoreReadOnly",
    "Unavailable",
    "invalid",
    "pointer",
]


_STEP_LENGTH_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of the error catalogue (RFC 9457 calls it a problem type)."""

    status: int
    title: str
    retryable: bool = False


CATALOGUE: Mapping[str, Problem] = {
    # The credential
    "unauthorized": Problem(401, "An API key is required"),
    "invalid_token": Problem(401, "The API key is not valid"),
    "invalid_request": Problem(400, "The credential is malformed"),
    "insufficient_scope": Problem(403, "The API key lacks a scope"),
    # The request
    "malformed_request": Problem(400, "The request could not be read"),
    "not_found": Problem(404, "No such thing"),
    "method_not_allowed": Problem(405, "The method is not allowed here"),
    "request_timeout": Problem(408, "The request took too long to arrive", retryable=True),
    "job_already_finished": Problem(409, "The job has already finished"),
    "batch_already_finished": Problem(409, "The batch has already finished"),
    "conflict": Problem(409, "The request conflicts with what is stored"),
    "body_too_large": Problem(413, "The body is too large"),
    "unsupported_media_type": Problem(415, "The media type is not supported"),
    "misdirected_request": Problem(421, "This server does not answer for that host"),
    "validation_failed": Problem(422, "The request is not valid"),
    "idempotency_key_reused": Problem(422, "The idempotency key was used with another body"),
    "headers_too_large": Problem(431, "The headers are too large"),
    # What this caller ran into
    "rate_limited": Problem(429, "Too many requests", retryable=True),
    "quota_exceeded": Problem(429, "The daily quota is used up", retryable=True),
    "storage_exceeded": Problem(429, "Too much of yours is stored", retryable=True),
    "records_exceeded": Problem(429, "Too much of yours is kept at hand", retryable=True),
    "queue_limit": Problem(429, "Too many jobs of yours are waiting", retryable=True),
    # What we ran into
    "feature_disabled": Problem(503, "This feature is switched off"),
    "backend_unreadable": Problem(503, "What the backend offers cannot be read"),
    "queue_full": Problem(503, "The queue is full", retryable=True),
    "overloaded": Problem(503, "The server holds as much as it may", retryable=True),
    "store_full": Problem(503, "The store is full", retryable=True),
    "draining": Problem(503, "The server is shutting down", retryable=True),
    "dependency_unavailable": Problem(503, "A part of the service is away", retryable=True),
    "not_implemented": Problem(501, "The server does not do this"),
    "internal": Problem(500, "An internal error occurred"),
}


class ArqadeError(Exception):
    """Whatever Arqade raises on purpose."""


class Refusal(ArqadeError):
    """A request that is not carried out; rendered as `application/problem+json`.

    `code` is a key of CATALOGUE. `detail` is for the caller's eyes. `errors` points at members
    of the body (JSON pointers). `retry_after_s` becomes the `Retry-After` header, `headers` are sent
    as they are, and `members` are further members of the problem object.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        """Refuse with a code of the catalogue; an unknown code is a bug and raises KeyError."""
        self.problem = CATALOGUE[code]
        self.code = code
        self.detail = detail or self.problem.title
        self.errors: tuple[Mapping[str, Any], ...] = tuple(errors)
        self.retry_after_s = retry_after_s
        self.headers = dict(headers or {})
        self.members = dict(members or {})
        super().__init__(f"{code}: {self.detail}")


def invalid(pointer: str, detail: str, code: str = "invalid") -> Refusal:
    """A 422 about one member of the body; `pointer` is a JSON pointer fragment such as `#/input/width`."""
    return Refusal("validation_failed", detail, errors=[{"pointer": pointer, "detail": detail, "code": code}])


def pointer(path: Sequence[str | int]) -> str:
    """A JSON pointer as a URI fragment (RFC 6901): `#/input/width`; `#` is the whole body."""
    return "#" + "".join("/" + _token(str(step)) for step in path)


def _token(step: str) -> str:
    """One step. The client may have chosen it, so it is cut short and escaped."""
    escaped = step[:_STEP_LENGTH_MAX].replace("~", "~0").replace("/", "~1")
    return quote(escaped, safe="~!$&'()*+,;=:@", errors="replace")


#: Who pays for an attempt that failed: a caller's fault is charged, ours is refunded.
Fault = Literal["caller", "ours"]


class Failure(ArqadeError):
    """An attempt that did not succeed.

    `code` and `detail` are told to the caller, so they never hold a traceback or an address.
    `retryable` uses up an attempt and tries again; `fault` decides who pays: units of a job that failed
    through our fault are refunded.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        retryable: bool = False,
        fault: Fault = "ours",
    ) -> None:
        """Fail the attempt; see the class for what the arguments mean."""
        self.code = code
        self.detail = detail
        self.retryable = retryable
        self.fault = fault
        super().__init__(f"{code}: {detail}")


class Unavailable(ArqadeError):
    """A part we depend on is away: 503 to a caller; a job is released and waits, no attempt used.

    `part` is a word such as `redis`, `objects` or `comfyui`; `retry_in_s` is a hint.
    """

    def __init__(self, part: str, detail: str = "", *, retry_in_s: float = 2.0) -> None:
        """Name the part that is away."""
        self.part = part
        self.detail = detail or f"{part} is not reachable"
        self.retry_in_s = retry_in_s
        super().__init__(f"{part}: {self.detail}")


class StoreFull(Unavailable):
    """Redis answers, and has no memory for more: submissions wait, and what ends or frees something goes on."""

    def __init__(self, detail: str = "", *, retry_in_s: float = 10.0) -> None:
        super().__init__("redis", detail or "redis is full", retry_in_s=retry_in_s)


class StoreReadOnly(Unavailable):
    """Redis answers, and takes no write: a replica, a disk that is full, replicas that are missing."""

    def __init__(self, detail: str = "", *, retry_in_s: float = 2.0) -> None:
        super().__init__("redis", detail or "redis takes no writes", retry_in_s=retry_in_s)
