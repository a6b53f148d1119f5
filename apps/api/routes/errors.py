"""The error catalogue, where the `type` of every problem leads."""

from __future__ import annotations

from html import escape

from starlette.responses import HTMLResponse, Response

from apps.api.problems import CATALOGUE_PATH
from apps.api.request import Request
from apps.api.routing import PUBLIC, route
from libs.errors import CATALOGUE

__all__ = ["ROUTES"]

_HEADERS = {"Content-Security-Policy": "default-src 'none'", "Cache-Control": "public, max-age=3600"}


async def catalogue(request: Request) -> Response:
    """A page with a heading for each code."""
    return HTMLResponse(_PAGE, headers=_HEADERS)


def _entry(code: str) -> str:
    problem = CATALOGUE[code]
    again = "Trying again later can succeed." if problem.retryable else "Trying again unchanged gives the same answer."
    return f'<h2 id="{code}">{code}</h2><p><strong>{problem.status}</strong> {escape(problem.title)}. {again}</p>'


_PAGE = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Arqade: errors</title><h1>Errors</h1>"
    "<p>429 is about you, 503 about us, 500 is a bug.</p>" + "".join(map(_entry, CATALOGUE)) + "</html>"
)

ROUTES = [route("GET", CATALOGUE_PATH, catalogue, scope=PUBLIC, bucket=None, answers={200: "text/html"})]
