"""Words of a proxy that we do not trust: ignored, and told once, since it is most often one that was forgotten."""

from __future__ import annotations

import logging
from contextlib import suppress

from starlette.types import ASGIApp, Receive, Scope, Send

from apps.api.state import ApiState
from libs.access.networks import Network, contains, parse_network

__all__ = ["Forwarded"]

_SIGNS = frozenset({b"x-forwarded-for", b"forwarded", b"x-real-ip"})

_log = logging.getLogger(__name__)


class Forwarded:
    """Looks at every request as it came from the socket, until one shows that a proxy is missing in TRUSTED_PROXIES."""

    def __init__(self, app: ASGIApp, api: ApiState) -> None:
        self._app = app
        self._api = api
        self._trusted = [network for text in api.settings.trusted_proxies if (network := _network(text)) is not None]
        self._trusts_all = "*" in api.settings.trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if self._api.untrusted_proxy is None and scope["type"] != "lifespan" and self._is_sign(scope):
            peer = scope["client"][0]
            self._api.untrusted_proxy = peer
            _log.warning(
                "%s sends X-Forwarded-For and is not named in TRUSTED_PROXIES: if it is your proxy, name it, or all "
                "its clients are one address to us; if it is a client, nothing is wrong",
                peer,
            )
        await self._app(scope, receive, send)

    def _is_sign(self, scope: Scope) -> bool:
        for name, _value in scope["headers"]:
            if name in _SIGNS:
                client = scope.get("client")
                return client is not None and not self._trusts_all and not contains(self._trusted, client[0])
        return False


def _network(text: str) -> Network | None:
    with suppress(ValueError):
        return parse_network(text)
    return None
