"""Ports for the embedded servers: chosen once, remembered, chosen anew only when taken.

A port that was given to a server that does not listen yet looks free to everybody else. So whoever chooses one claims
it first, by the name of a socket: the kernel gives a name to one process, and takes it back when that ends.
"""

from __future__ import annotations

import json
import random
import socket
import sys
from collections.abc import Collection
from pathlib import Path

from libs.embedded.process import StartError

__all__ = ["Ports", "authority", "free_port", "why_not"]

# Below the kernel's ephemeral range: a client that keeps knocking at a closed port of that range may be given this
# very port as its own end, connect to itself, and so keep the server from coming back.
_RANGE = range(20_000, 32_000)
_TRIES = 200
_PORT_MAX = 65_535

#: What this process has claimed, by the file descriptor that holds the claim.
_claims: dict[int, int] = {}


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


def free_port(host: str = "127.0.0.1", but: Collection[int] = ()) -> int:
    """A port for a server that is about to be started, and for nobody else; raises StartError when none is free."""
    for _ in range(_TRIES):
        port = random.choice(_RANGE)
        if port not in but and port not in _claims and _claim(port) and why_not(host, port) is None:
            return port
    raise StartError(f"no free port between {_RANGE.start} and {_RANGE.stop} on {host}")


def _claim(port: int) -> bool:
    """Whether it is ours, until we end. Only Linux has names that need no file; elsewhere there is nothing to ask."""
    if port in _claims or sys.platform != "linux":
        return True
    with socket.socket(socket.AF_UNIX) as claim:
        try:
            claim.bind(f"\0arqade port {port}")
        except OSError:
            return False
        _claims[port] = claim.detach()
    return True


class Ports:
    """The ports of one data folder, kept in a small JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._chosen = self._read()

    def port_for(self, name: str, host: str = "127.0.0.1") -> int:
        """The port of a server; raises StartError when none is free."""
        kept = self._chosen.get(name)
        if kept is not None and _claim(kept) and why_not(host, kept) is None:
            return kept
        self._chosen[name] = free_port(host, self._chosen.values())
        self._path.write_text(json.dumps(self._chosen))
        return self._chosen[name]

    def _read(self) -> dict[str, int]:
        try:
            stored = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        pairs = stored.items() if isinstance(stored, dict) else ()
        return {name: port for name, port in pairs if isinstance(port, int) and 0 < port <= _PORT_MAX}
