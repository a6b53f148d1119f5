"""The outermost layer: an id, the headers that every answer has, one line in the log, and the metrics."""

from __future__ import annotations

import logging
import random
import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.api.routing import PUBLIC
from apps.api.state import ApiState
from libs.metrics import Counter, Histogram

__all__ = ["Observe", "new_request_id"]

#: What a caller's own request id may look like; any other is replaced.
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,128}")
#: Told in metrics and logs where a client hung up before there was an answer (nginx's number for it).
_HUNG_UP = 499

_log = logging.getLogger("arqade.access")


class Observe:
    """Sees every request first and last. Never logs a path, a query or a body: a route's template says enough."""

    def __init__(self, app: ASGIApp, api: ApiState, *, version: str) -> None:
        """`version` is told in `API-Version`. `headers` are those that every answer has."""
        self._app = app
        self._api = api
        self._metrics = api.resources.metrics
        self._metrics.requests_in_flight.set_function(lambda: api.in_flight)
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.headers = [
            (b"api-version", version.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        scope["arqade.api"] = self._api
        request_id = scope["arqade.request_id"] = _request_id(scope)
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began, status = time.perf_counter(), _HUNG_UP

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = self._complete(message.get("headers", []), request_id, scope)
            await send(message)

        self._api.in_flight += 1
        try:
            await self._app(scope, receive, send_observed)
        finally:
            self._api.in_flight -= 1
            self._record(scope, status, time.perf_counter() - began)
        return None

    def _complete(self, given: list[tuple[bytes, bytes]], request_id: str, scope: Scope) -> list[tuple[bytes, bytes]]:
        headers = [*given, (b"x-request-id", request_id.encode()), *self.headers]
        if not any(name == b"cache-control" for name, _value in given):
            headers.append((b"cache-control", b"no-store"))
        if scope["scheme"] == "https":
            headers.append((b"strict-transport-security", b"max-age=31536000"))
        if self._api.draining.is_set():
            headers.append((b"connection", b"close"))
        return headers

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("arqade.route")
        template = route.path if route is not None else "none"
        method = scope["method"] if route is not None else "any"
        count, durations = self._children(method, template, status)
        count.inc()
        durations.observe(seconds)
        level = logging.DEBUG if route is not None and route.scope == PUBLIC and status < 400 else logging.INFO  # noqa: PLR2004  # HTTP's own number
        if _log.isEnabledFor(level):
            _log.log(level, "%s %s %d", method, template, status, extra={"members": _members(scope, status, seconds)})

    def _children(self, method: str, template: str, status: int) -> tuple[Counter, Histogram]:
        """The metrics of these labels; prometheus_client's own look-up takes as long as the counting."""
        found = self._known.get((method, template, status))
        if found is None:
            count = self._metrics.requests.labels(method, template, status)
            found = count, self._metrics.request_seconds.labels(method, template)
            self._known[method, template, status] = found
        return found


def _members(scope: Scope, status: int, seconds: float) -> dict[str, object]:
    caller = scope.get("arqade.caller")
    return {
        "request_id": scope["arqade.request_id"],
        "status": status,
        "ms": round(seconds * 1000, 2),
        "user": caller.user_id if caller is not None else None,
        "api_key": caller.api_key_id if caller is not None else None,
    }


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given: str = value.decode("latin-1")
            return given if _REQUEST_ID.fullmatch(value) is not None else new_request_id()
    return new_request_id()


def new_request_id() -> str:
    """An id for a request that came without one; it need not be hard to guess, and is made for every request."""
    return f"req_{random.getrandbits(128):032x}"
