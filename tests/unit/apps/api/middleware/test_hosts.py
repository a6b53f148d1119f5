from __future__ import annotations

import pytest
from starlette.types import Message, Receive, Scope, Send

from apps.api.middleware.hosts import Hosts
from libs.errors import Refusal

ALLOWED = ("api.example.com", "*.example.org", "192.0.2.1", "[2001:db8::1]")


async def reached(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "reached"})


async def ask(*hosts: bytes, path: str = "/api/v1/me", kind: str = "http") -> list[Message]:
    told: list[Message] = []

    async def send(message: Message) -> None:
        told.append(message)

    async def receive() -> Message:
        raise AssertionError

    headers = [(b"host", host) for host in hosts]
    await Hosts(reached, ALLOWED)({"type": kind, "path": path, "headers": headers}, receive, send)
    return told


@pytest.mark.parametrize(
    "host",
    [
        b"api.example.com", b"API.Example.Com", b"api.example.com:8000", b"api.example.com.", b"a.example.org",
        b"a.b.example.org:1", b"192.0.2.1:80", b"[2001:db8::1]:80", b"[2001:DB8::1]",
    ],
)  # fmt: skip
async def test_our_names_are_let_through(host: bytes) -> None:
    assert await ask(host) == [{"type": "reached"}]


@pytest.mark.parametrize(
    "hosts",
    [
        (), (b"",), (b"evil.example",), (b"example.org",), (b"xexample.org",), (b"api.example.com.evil.example",),
        (b"api.example.com", b"api.example.com"), (b"api.example.com@evil.example",), (b"[::1]",), (b"\xff",),
    ],
)  # fmt: skip
async def test_any_other_name_is_not(hosts: tuple[bytes, ...]) -> None:
    with pytest.raises(Refusal, match="misdirected_request"):
        await ask(*hosts)


@pytest.mark.parametrize("path", ["/ping", "/health", "/ready"])
async def test_probes_know_no_name(path: str) -> None:
    assert await ask(b"10.0.0.1:8000", path=path) == [{"type": "reached"}]


async def test_a_socket_under_another_name_is_closed() -> None:
    assert await ask(b"evil.example", kind="websocket") == [{"type": "websocket.close", "code": 4421}]
    assert await ask(b"api.example.com", kind="websocket") == [{"type": "reached"}]
