"""The refusals of the OpenAPI document: which codes of the catalogue a route can answer, by status."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from apps.api.openapi.headers import headers_of
from apps.api.routing import ANY_KEY, PUBLIC, Route
from libs.errors import CATALOGUE

__all__ = ["PROBLEM", "codes_of", "problem_answers"]

_MEDIA_TYPE: Final = "application/problem+json"

_VIOLATION: Final = {
    "type": "object",
    "required": ["detail", "code"],
    "properties": {
        "pointer": {
            "type": "string",
            "description": "Where in the body, a JSON pointer as a fragment: `#/input/width`",
        },
        "parameter": {"type": "string", "description": "Which parameter of the query"},
        "line": {
            "type": "integer",
            "description": "Which line of an input file, from 1; `pointer` leads into that line",
        },
        "detail": {"type": "string"},
        "code": {"type": "string"},
    },
    "additionalProperties": False,
}

#: RFC 9457. A refusal may have further members.
PROBLEM: Final[Mapping[str, Any]] = {
    "type": "object",
    "description": "Why a request was not carried out (RFC 9457)",
    "required": ["type", "title", "status", "detail", "code", "request_id", "retryable"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "Its entry in the catalogue of errors"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For people"},
        "code": {"type": "string", "enum": list(CATALOGUE), "description": "For programs"},
        "request_id": {"type": "string"},
        "retryable": {"type": "boolean", "description": "Whether the same request can succeed later"},
        "errors": {"type": "array", "items": _VIOLATION, "description": "What is wrong, and where"},
    },
}

_BODY = (
    "body_too_large",
    "overloaded",
    "request_timeout",
    "unsupported_media_type",
    "malformed_request",
    "validation_failed",
)
_SUBMIT = (
    "idempotency_key_reused",
    "quota_exceeded",
    "storage_exceeded",
    "records_exceeded",
    "queue_limit",
    "queue_full",
    "draining",
    "feature_disabled",
)


def codes_of(route: Route) -> list[str]:
    """The codes that a route can answer, in the order of the catalogue."""
    wanted = set(_codes(route))
    return [code for code in CATALOGUE if code in wanted]


def _codes(route: Route) -> Iterator[str]:
    yield "malformed_request"
    yield from route.refuses
    if route.scope != PUBLIC:
        yield from ("unauthorized", "invalid_token", "invalid_request", "rate_limited", "dependency_unavailable")
    if route.scope not in (PUBLIC, ANY_KEY):
        yield "insufficient_scope"
    if route.scope != PUBLIC and route.method != "GET":
        yield "store_full"
    if "{" in route.path:
        yield "not_found"
    if route.query is not None:
        yield from ("malformed_request", "validation_failed")
    if route.body:
        yield from _BODY
    if route.bucket == "submits":
        yield from (*_SUBMIT, "validation_failed")


def problem_answers(route: Route) -> tuple[dict[str, Any], dict[str, Any]]:
    """A route's refusals by status, as references, and what they refer to by name."""
    by_status: dict[int, list[str]] = defaultdict(list)
    for code in codes_of(route):
        by_status[CATALOGUE[code].status].append(code)
    references, named = {}, {}
    for status, codes in by_status.items():
        # Answers without rate headers are others than those with.
        name = ".".join([*codes, *(["public"] if route.scope == PUBLIC else [])])
        references[str(status)] = {"$ref": f"#/components/responses/{name}"}
        named[name] = _problem(route, status, codes)
    return references, named


def _problem(route: Route, status: int, codes: list[str]) -> dict[str, Any]:
    narrowed = {"properties": {"code": {"enum": codes}}}
    return {
        "description": "; ".join(f"`{code}`: {CATALOGUE[code].title}" for code in codes),
        "headers": headers_of(route, status),
        "content": {_MEDIA_TYPE: {"schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]}}},
    }
