"""What uvicorn's WebSocket protocol leaves open: a socket counts as a connection of its address while it lasts."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from apps.api.server.crowd import Crowd

__all__ = ["SocketProtocol"]


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's; it takes a connection over from HTTP, which has let go of its place in the crowd just before."""

    crowd: Crowd | None = None
    _sender: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place."""
        super().connection_made(transport)
        if self.crowd is not None:
            self._sender = self.crowd.enter(self.client[0] if self.client else None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give it back."""
        if self.crowd is not None and self._sender is not None:
            self.crowd.leave(self._sender)
        self._sender = None
        super().connection_lost(exc)
