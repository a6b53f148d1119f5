"""Ports for the embedded servers: chosen once, remembered, chosen anew only when taken."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path

from libs.embedded.process import StartError

__all__ = ["Ports", "authority", "why_not"]

# Below the kernel's ephemeral range: a client that keeps knocking at a closed port of that range may be given this
# very port as its own end, connect to itself, and so keep the server from coming back.
_RANGE = range(20_000, 32_000)
_TRIES = 200
_PORT_MAX = 65_535


def why_not(host: str, port: int) -> str | None:
    """Why a server could not listen there now; None when it could."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return None


def authority(host: str, port: int) -> str:
    """`host:port` as URLs write it: an IPv6 address stands in brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Ports:
    """The ports of one data folder, kept in a small JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._chosen = self._read()

    def port_for(self, name: str, host: str = "127.0.0.1") -> int:
        """The port of a server; raises StartError when none is free."""
        kept = self._chosen.get(name)
        if kept is not None and why_not(host, kept) is None:
            return kept
        others = set(self._chosen.values())
        for _ in range(_TRIES):
            port = random.choice(_RANGE)
            if port not in others and why_not(host, port) is None:
                self._chosen[name] = port
                self._path.write_text(json.dumps(self._chosen))
                return port
        raise StartError(f"no free port between {_RANGE.start} and {_RANGE.stop} on {host}")

    def _read(self) -> dict[str, int]:
        try:
            stored = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        pairs = stored.items() if isinstance(stored, dict) else ()
        return {name: port for name, port in pairs if isinstance(port, int) and 0 < port <= _PORT_MAX}
