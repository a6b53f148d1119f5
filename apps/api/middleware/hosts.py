"""The hosts that a request may name: whoever reaches us under another was led here (DNS rebinding)."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from libs.errors import Refusal

__all__ = ["Hosts"]

#: What probes ask for, who know an address and no name. Nothing in these answers depends on who asks.
_PROBED = frozenset({"/ping", "/health", "/ready"})


class Hosts:
    """Refuses a request whose Host is none of ours, is missing or is there twice. `*.example.com` is all below it."""

    def __init__(self, app: ASGIApp, allowed: Sequence[str]) -> None:
        self._app = app
        names = [name.lower().rstrip(".") for name in allowed]
        self._names = frozenset(name for name in names if not name.startswith("*."))
        self._suffixes = tuple(name[1:] for name in names if name.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] in ("http", "websocket") and scope["path"] not in _PROBED and not self._is_ours(scope):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 4421})
                return
            raise Refusal("misdirected_request")
        await self._app(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        named = [value for name, value in scope["headers"] if name == b"host"]
        if len(named) != 1:
            return False
        host = _without_port(named[0].decode("latin-1")).lower().rstrip(".")
        return host in self._names or host.endswith(self._suffixes)


def _without_port(authority: str) -> str:
    """`host:port` and `[::1]:port` without the port."""
    if authority.startswith("["):
        return authority.partition("]")[0] + "]"
    return authority.partition(":")[0]
