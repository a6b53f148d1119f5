"""The only way out: a name is resolved once, every answer is vetted, and the socket goes to one of them.

It is an httpcore network backend, so nothing above it can connect to anything that has not passed here. Names go out
with a dot at their end: no search domain of ours is tried for them.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import httpcore
from anyio import to_thread

from libs.egress.addresses import Address
from libs.egress.target import Rules
from libs.errors import Failure

__all__ = ["Dial", "Resolve", "resolve"]

#: A host's addresses, as texts; raises OSError where there are none.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_RESOLVE_S = 5.0
_CONNECT_S = 5.0
_ANSWERS_MAX = 64
_TRIED_MAX = 4


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system, in a thread that is left behind when it takes too long."""
    answers = await to_thread.run_sync(
        lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), abandon_on_cancel=True
    )
    return [str(answer[4][0]) for answer in answers]


class Dial(httpcore.AsyncNetworkBackend):
    """Connects to hosts whose every address the rules admit; raises Failure for others. For one request."""

    def __init__(
        self, rules: Rules, resolver: Resolve = resolve, sockets: httpcore.AsyncNetworkBackend | None = None
    ) -> None:
        """`resolver` is asked once for each connection; `sockets` makes them, to addresses alone."""
        self._rules = rules
        self._resolve = resolver
        self._sockets = sockets or httpcore.AnyIOBackend()
        self._opened: list[httpcore.AsyncNetworkStream] = []

    async def aclose(self) -> None:
        """Close what is still open: httpcore leaves a socket behind that is canceled within its TLS handshake."""
        for stream in self._opened:
            await stream.aclose()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to one of the host's addresses, the first that answers."""
        addresses = await self.addresses(host, port)
        for address in addresses[:_TRIED_MAX]:
            try:
                stream = await self._sockets.connect_tcp(str(address), port, timeout or _CONNECT_S)
            except (httpcore.ConnectError, httpcore.ConnectTimeout, OSError):
                continue
            self._opened.append(stream)
            return stream
        raise _unreachable()

    async def connect_unix_socket(self, *_arguments: Any, **_options: Any) -> httpcore.AsyncNetworkStream:
        """Never: there is nothing of a caller's behind a local socket."""
        raise _not_allowed()

    async def sleep(self, seconds: float) -> None:
        """Wait; httpcore asks for it between its own retries, which we have none of."""
        await asyncio.sleep(seconds)

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Where a host is, every address of it allowed; raises Failure."""
        named = self._rules.names(host, port)
        try:
            addresses = [ipaddress.ip_address(host)]
        except ValueError:
            addresses = await self._look_up(host if named else f"{host}.", port)
        if not named and not all(self._rules.admits(address) for address in addresses):
            raise _not_allowed()
        return addresses

    async def _look_up(self, name: str, port: int) -> list[Address]:
        """The same Failure whether there is no such name or it is not for callers: neither is theirs to find out."""
        try:
            async with asyncio.timeout(_RESOLVE_S):
                answers = await self._resolve(name, port)
            # A scope (fe80::1%eth0) makes another address of the same digits.
            found = list(dict.fromkeys(ipaddress.ip_address(answer.partition("%")[0]) for answer in answers))
        except TimeoutError:
            raise _unreachable() from None
        except socket.gaierror as error:
            raise (_unreachable() if error.errno == socket.EAI_AGAIN else _not_allowed()) from None
        except (OSError, ValueError, UnicodeError):
            raise _not_allowed() from None
        if not 1 <= len(found) <= _ANSWERS_MAX:
            raise _not_allowed()
        return found


def _not_allowed() -> Failure:
    return Failure("url_not_allowed", "The URL's host has no public address, or none that is allowed", fault="caller")


def _unreachable() -> Failure:
    return Failure("url_unreachable", "The URL's host did not answer", retryable=True, fault="caller")
