"""The OpenAPI document, and a page that shows it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import orjson
from starlette.responses import Response

from apps.api.conditional import is_known
from apps.api.openapi.document import openapi
from apps.api.openapi.page import CONTENT_SECURITY_POLICY, docs_page
from apps.api.request import Request
from apps.api.routing import PUBLIC, Endpoint, Route, route
from apps.settings import Settings

__all__ = ["routes_about"]

_NOT_MODIFIED = 304


def routes_about(others: Sequence[Route]) -> list[Route]:
    """The routes that describe these others and themselves."""
    served: dict[str, Endpoint] = {}

    async def document(request: Request) -> Response:
        """The API as an OpenAPI 3.1 document."""
        return await served["document"](request)

    async def docs(request: Request) -> Response:
        """The same, as a page."""
        return await served["docs"](request)

    own = [
        route(
            "GET",
            "/openapi.json",
            document,
            scope=PUBLIC,
            bucket=None,
            answers={200: "application/json", 304: ()},
        ),
        route("GET", "/docs", docs, scope=PUBLIC, bucket=None, answers={200: "text/html", 304: ()}),
    ]
    told = openapi([*others, *own], Settings.model_fields["api_version"].default)
    served["document"] = _fixed(orjson.dumps(told), "application/json")
    page_headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
    served["docs"] = _fixed(docs_page(told).encode(), "text/html; charset=utf-8", page_headers)
    return own


def _fixed(content: bytes, media_type: str, more: Mapping[str, str] | None = None) -> Endpoint:
    """Serves the same bytes as long as the process lives; 304 to who has them."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "public, no-cache", **(more or {})}

    async def serve(request: Request) -> Response:
        if is_known(request.headers.getlist("if-none-match"), etag):
            return Response(status_code=_NOT_MODIFIED, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return serve
