"""Upgrades that we do not do: such a request is an ordinary one (RFC 9110, 7.8), its body included.

The parser takes what follows the head of every upgrade for another protocol. So the head is said once more, without
its upgrade. Java's HttpClient asks for h2c with every first request, a POST with a body too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["CONNECT", "is_handshake", "without_upgrade"]

CONNECT = b"CONNECT"

_BODY = frozenset({b"content-length", b"transfer-encoding"})
_OF_UPGRADES = frozenset({b"upgrade", b"http2-settings"})

Headers = Iterable[tuple[bytes, bytes]]


def is_handshake(method: bytes, version: str, headers: Headers) -> bool:
    """Whether a request that asks for a WebSocket is of the form that opens one (RFC 6455, 4.1)."""
    return method == b"GET" and version == "1.1" and not any(name in _BODY for name, _value in headers)


def without_upgrade(method: bytes, target: bytes, version: str, headers: Headers) -> bytes:
    """The head of the same request, asking for no other protocol."""
    first = b"%b %b HTTP/%b\r\n" % (method, target, version.encode())
    return b"".join([first, *[b"%b: %b\r\n" % header for header in _kept(headers)], b"\r\n"])


def _kept(headers: Headers) -> Iterator[tuple[bytes, bytes]]:
    for name, value in headers:
        if name == b"connection":
            tokens = [token for token in value.split(b",") if token.strip().lower() not in {b"upgrade", *_OF_UPGRADES}]
            if tokens:
                yield name, b",".join(tokens)
        elif name not in _OF_UPGRADES:
            yield name, value
