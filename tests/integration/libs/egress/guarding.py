"""What tests of the guarded client are made of: scripted resolvers, no sockets, servers it may reach."""

from __future__ import annotations

import io
import socket
from collections.abc import Sequence
from functools import partial

import httpcore
import pytest
from PIL import Image

from libs.egress import Egress, Rules
from libs.egress.dial import Resolve, resolve
from libs.errors import Failure
from tests.fakes.web_server import WebServer

PUBLIC = "93.184.215.14"
TYPES = frozenset({"image/png", "text/plain"})
#: Reading all the world's certificates takes longer than any of these tests.
TLS = httpcore.default_ssl_context()


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "white").save(file, "PNG")
    return file.getvalue()


class Names:
    """A resolver that answers from a script: one entry a question, the last one for ever."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self.left = {name.replace("_", "."): list(scripted) for name, scripted in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        name = host.removesuffix(".")
        self.asked.append(name)
        if name not in self.left:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        scripted = self.left[name]
        return scripted.pop(0) if len(scripted) > 1 else scripted[0]


class NoSockets(httpcore.AsyncNetworkBackend):
    """In place of the sockets: remembers where they would have gone."""

    def __init__(self) -> None:
        self.addresses: list[str] = []

    async def connect_tcp(self, host: str, *_arguments: object, **_options: object) -> httpcore.AsyncNetworkStream:
        self.addresses.append(host)
        raise httpcore.ConnectError


def without_sockets(egress: Egress) -> NoSockets:
    """Where its connections would go from now on."""
    sockets = NoSockets()
    egress._dial = partial(egress._dial, sockets=sockets)
    return sockets


async def failure_of(egress: Egress, url: str, bytes_max: int = 1_000_000) -> Failure:
    with pytest.raises(Failure) as caught:
        await egress.fetch(url, bytes_max=bytes_max, types=TYPES)
    return caught.value


def guarded(rules: Rules, *, resolver: Resolve = resolve, fetch_s: float = 20.0) -> Egress:
    return Egress(rules, resolver=resolver, fetch_s=fetch_s, tls=TLS)


def allowing(server: WebServer, *, fetch_s: float = 20.0) -> Egress:
    return guarded(Rules.of(hosts=(f"127.0.0.1:{server.port}",)), fetch_s=fetch_s)
