from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest

from apps.api.middleware.forwarded import Forwarded
from apps.api.state import ApiState

PROXIED = ((b"x-forwarded-for", b"192.0.2.1"),)


def seen_by(trusted: tuple[str, ...] = ()) -> tuple[Forwarded, Any]:
    api = SimpleNamespace(settings=SimpleNamespace(trusted_proxies=trusted), untrusted_proxy=None)

    async def answer(*_given: object) -> None:
        """Answer anything."""

    return Forwarded(answer, cast("ApiState", api)), api


async def ask(app: Forwarded, peer: str | None, headers: tuple[tuple[bytes, bytes], ...] = PROXIED) -> None:
    client = None if peer is None else (peer, 1)
    await app({"type": "http", "client": client, "headers": headers}, cast("Any", None), cast("Any", None))


async def test_the_first_forwarded_request_of_an_untrusted_peer_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    app, api = seen_by()
    with caplog.at_level(logging.WARNING):
        for peer in ("10.0.0.7", "10.0.0.7", "10.0.0.8"):
            await ask(app, peer)
    (line,) = caplog.messages
    assert "10.0.0.7 sends X-Forwarded-For" in line
    assert "TRUSTED_PROXIES" in line
    assert api.untrusted_proxy == "10.0.0.7"


@pytest.mark.parametrize("header", [b"x-forwarded-for", b"forwarded", b"x-real-ip"])
async def test_any_word_of_a_proxy_is_a_sign(header: bytes) -> None:
    app, api = seen_by()
    await ask(app, "10.0.0.7", ((b"host", b"x"), (header, b"192.0.2.1")))
    assert api.untrusted_proxy == "10.0.0.7"


@pytest.mark.parametrize(
    "trusted, peer, headers",
    [
        (("10.0.0.7",), "10.0.0.7", PROXIED),
        (("10.0.0.0/8", "nonsense"), "10.0.0.7", PROXIED),
        (("*",), "10.0.0.7", PROXIED),
        ((), "10.0.0.7", ((b"host", b"x"),)),
        ((), None, PROXIED),
    ],
)
async def test_trusted_peers_and_plain_clients_are_no_news(
    trusted: tuple[str, ...], peer: str | None, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    app, api = seen_by(trusted)
    await ask(app, peer, headers)
    assert api.untrusted_proxy is None
