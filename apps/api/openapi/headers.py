"""The headers of the OpenAPI document: those that answers have, and those that a submission may send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apps.api.answers.admin import Minted, User
from apps.api.answers.answer import Job, NewUploadUrl
from apps.api.routing import PUBLIC, Route

__all__ = ["COMPONENTS", "PARAMETERS", "STREAM_PARAMETERS", "headers_of"]

_ALWAYS = ("X-Request-Id", "API-Version", "Cache-Control")
_RATES = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit-Policy", "RateLimit")
_UNAUTHORIZED, _FORBIDDEN, _FOUND, _NOT_MODIFIED = 401, 403, 302, 304
_AGAIN_LATER = (429, 503)
_MADE = (201, 202)


def _header(description: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}, **more}


COMPONENTS: Final[Mapping[str, Any]] = {
    "X-Request-Id": _header("The request's id, in logs too", required=True),
    "API-Version": _header("The version of the API", required=True),
    "Cache-Control": _header("Who may keep the answer", required=True),
    "X-RateLimit-Limit": _header("Requests that the bucket holds", "integer"),
    "X-RateLimit-Remaining": _header("Requests that are left in it", "integer"),
    "X-RateLimit-Reset": _header("Seconds until it is full again", "integer"),
    "RateLimit-Policy": _header("Every policy: its quota `q` and window `w` in seconds"),
    "RateLimit": _header("What remains of each policy, `r`, and the seconds until it is restored, `t`"),
    "Retry-After": _header("Seconds until it is worth trying again", "integer"),
    "WWW-Authenticate": _header("What credential is wanted (RFC 6750)", required=True),
    "Location": _header("Where it is"),
    "ETag": _header("The state of what is shown; weak"),
    "Link": _header('The next page, `rel="next"` (RFC 8288)'),
}

#: What a submission may send besides its body.
PARAMETERS: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes one job of several requests with the same body",
        "schema": {"type": "string", "pattern": r"^[!#-~][!-~]{0,254}$"},
    },
    {
        "name": "Prefer",
        "in": "header",
        "description": "`wait=1` to `wait=60` waits so many seconds for the end; `respond-async` never does (RFC 7240)",
        "schema": {"type": "string", "pattern": "^(respond-async|wait=([1-9]|[1-5][0-9]|60))$"},
    },
)

#: What who follows a job may send.
STREAM_PARAMETERS: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "Goes on behind this event; 204 when it was the last",
        "schema": {"type": "string", "pattern": r"^[0-9]{1,20}(-[0-9]{1,20})?$"},
    },
    {
        "name": "token",
        "in": "query",
        "description": "A stream token, where no credential can be sent",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"},
    },
)


def headers_of(route: Route, status: int) -> dict[str, Any]:
    """The headers of an answer, by reference."""
    names = list(_ALWAYS)
    if status != _UNAUTHORIZED and route.scope != PUBLIC:
        names += _RATES
    names += [name for name, belongs in _some(route, status) if belongs]
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _some(route: Route, status: int) -> tuple[tuple[str, bool], ...]:
    bodies = route.answers.get(status, ())
    pages = any(not isinstance(body, str) and body.__name__.startswith("Page[") for body in bodies)
    has_etag = _NOT_MODIFIED in route.answers and status in route.answers
    return (
        ("WWW-Authenticate", status in (_UNAUTHORIZED, _FORBIDDEN)),
        ("Retry-After", status in _AGAIN_LATER or (has_etag and Job in bodies)),
        ("Location", status == _FOUND or (status in _MADE and bool({Job, NewUploadUrl, Minted, User} & set(bodies)))),
        ("ETag", has_etag),
        ("Link", pages),
    )
