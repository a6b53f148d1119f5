"""Rate headers on every answer to a valid key: refusals, unknown paths and public routes included."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.api.rate_headers import rate_headers
from apps.api.routing import Route
from apps.api.state import ApiState
from libs.access.caller import Caller
from libs.admission.rate import Rate, take
from libs.errors import Refusal, Unavailable

__all__ = ["RateLimit"]

_UNAUTHORIZED = 401


class RateLimit:
    """Adds what the guard or admission found out to the answer's headers.

    Where nobody took a token, the bucket that the route spends from (else that of reads) is looked at, not spent from.
    """

    def __init__(self, app: ASGIApp, api: ApiState) -> None:
        self._app = app
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def send_with_rates(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] != _UNAUTHORIZED:
                message["headers"] = [*message.get("headers", []), *rate_headers(await self._rates(scope))]
            await send(message)

        return await self._app(scope, receive, send_with_rates)

    async def _rates(self, scope: Scope) -> Sequence[Rate]:
        known: Sequence[Rate] | None = scope.get("arqade.rates")
        if known is not None:
            return known
        caller: Caller | None = scope.get("arqade.caller")
        rule = self._api.rate_rule
        if caller is None or rule is None:
            return ()
        route: Route | None = scope.get("arqade.route")
        bucket = route.bucket if route is not None and route.bucket is not None else "reads"
        try:
            return (await take(self._api.resources.cells.home_of(caller.user_id), caller, bucket, rule, spend=0),)
        except (Refusal, Unavailable):  # the key went bad, or Redis went away: an answer without rates
            return ()
