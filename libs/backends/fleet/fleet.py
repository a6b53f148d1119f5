"""The fleet as a worker holds it: a client for each server, by the name that a job's claim has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from libs.backends.comfyui import ComfyUI

__all__ = ["Fleet"]


class Fleet:
    """The servers that one worker process reaches."""

    def __init__(self, servers: Iterable[ComfyUI] = (), slots: Mapping[str, int] | None = None) -> None:
        """`slots` by server's name, 1 where nothing is said. Raises ValueError when two have one name."""
        listed = list(servers)
        self.servers: Mapping[str, ComfyUI] = {server.name: server for server in listed}
        if len(self.servers) < len(listed):
            raise ValueError("two servers of the fleet have the same name")
        self.slots: Mapping[str, int] = {name: (slots or {}).get(name, 1) for name in self.servers}
        self._nobody = ComfyUI(None)

    def at(self, name: str) -> ComfyUI:
        """The server that a job was claimed with.

        A job that was admitted before jobs said what they need has none: the first server takes it, as it did then.
        """
        if name:
            return self.servers.get(name, self._nobody)
        return next(iter(self.servers.values()), self._nobody)

    async def aclose(self) -> None:
        """Let cancellations that are under way end, then close all connections."""
        await asyncio.gather(*[server.aclose() for server in self.servers.values()])
