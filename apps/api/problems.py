"""Errors as `application/problem+json` (RFC 9457): the one place that renders them."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs import limits
from libs.errors import CATALOGUE, Refusal, StoreFull, Unavailable
from libs.metrics import Metrics

__all__ = ["CATALOGUE_PATH", "Problems", "problem"]

#: Where the error catalogue is served; a problem's `type` leads to its entry.
CATALOGUE_PATH = "/docs/errors"

_CHALLENGE = 'Bearer realm="arqade"'
_BY_STATUS = {problem.status: code for code, problem in reversed(list(CATALOGUE.items()))}

_STORE_FULL = "There is no room for anything new for the moment; what is there can be read, canceled and deleted"

_log = logging.getLogger(__name__)


class Problems:
    """Middleware: whatever is raised further in becomes a problem, unless the answer has begun already."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, public_url: str = "") -> None:
        """`public_url` stands before the path of a problem's type."""
        self._app = app
        self._metrics = metrics
        self._public_url = public_url.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        begun = False

        async def send_noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except ClientDisconnect:
            return
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            await self._answer(error, scope)(scope, receive, send)

    def _answer(self, error: Exception, scope: Scope) -> Response:
        refusal = as_refusal(error)
        if refusal.code == "internal":
            _log.error("a bug", exc_info=error, extra={"members": {"request_id": scope["arqade.request_id"]}})
        if isinstance(error, Unavailable):
            scope["arqade.rates"] = ()  # nobody to ask for them
        elif rates := getattr(error, "rates", None):
            scope["arqade.rates"] = rates
        self._metrics.refusals.labels(refusal.code).inc()
        return problem(refusal, scope["arqade.request_id"], public_url=self._public_url)


def as_refusal(error: Exception) -> Refusal:
    """What a caller is told of an error; of a bug, nothing but that it is one."""
    match error:
        case Refusal():
            return error
        case StoreFull():
            return Refusal("store_full", _STORE_FULL, retry_after_s=error.retry_in_s)
        case Unavailable():
            return Refusal(
                "dependency_unavailable", f"{error.part} is away for the moment", retry_after_s=error.retry_in_s
            )
        case HTTPException():
            code = _BY_STATUS.get(error.status_code, "malformed_request")
            return Refusal(code, headers=error.headers)
        case _:
            return Refusal("internal")


def problem(refusal: Refusal, request_id: str, *, public_url: str = "") -> Response:
    """The answer to a refused request."""
    told = refusal.problem
    body: dict[str, Any] = {
        "type": f"{public_url}{CATALOGUE_PATH}#{refusal.code}",
        "title": told.title,
        "status": told.status,
        "detail": refusal.detail[: limits.DETAIL_LENGTH_MAX],
        "code": refusal.code,
        "request_id": request_id,
        "retryable": told.retryable,
        **refusal.members,
    }
    if refusal.errors:
        body["errors"] = refusal.errors[: limits.VALIDATION_ERRORS_MAX]
    content = orjson.dumps(body)
    return Response(content, told.status, _headers(refusal), media_type="application/problem+json")


def _headers(refusal: Refusal) -> Mapping[str, str]:
    found = dict(refusal.headers)
    if (challenge := _challenge(refusal)) is not None:
        found["WWW-Authenticate"] = challenge
    retry_after_s = refusal.retry_after_s
    if refusal.problem.status == 503 and refusal.problem.retryable:  # noqa: PLR2004  # HTTP's own number
        # With jitter: those who were refused together shall not come back together.
        retry_after_s = (retry_after_s or 1.0) * random.uniform(1, 2)
    if retry_after_s is not None:
        found["Retry-After"] = str(max(1, math.ceil(retry_after_s)))
    return found


def _challenge(refusal: Refusal) -> str | None:
    """RFC 6750, 3: the error is named only where a credential was sent."""
    match refusal.code:
        case "unauthorized":
            return _CHALLENGE
        case "invalid_token" | "invalid_request":
            return f'{_CHALLENGE}, error="{refusal.code}"'
        case "insufficient_scope":
            return f'{_CHALLENGE}, error="insufficient_scope", scope="{refusal.members["scope"]}"'
        case _:
            return None
