"""Requests that ask for another protocol: a handshake opens a WebSocket, anything else is what it is anyway."""

from __future__ import annotations

import pytest

from tests.fakes.api import Api
from tests.fakes.wire import Listening

LAST = b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SOCKET = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
SOCKET += b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
H2C = b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
ORDER = b'{"kind":"generate","input":{"prompt":"x"}}'


@pytest.mark.parametrize("upgrade", [SOCKET, H2C, b"Upgrade: h2c\r\nConnection: keep-alive\r\nConnection: upgrade\r\n"])
@pytest.mark.parametrize("pieces", [1, 2, 3])
async def test_a_post_with_an_upgrade_is_a_post_and_its_body_is_read(
    api: Api, server: Listening, upgrade: bytes, pieces: int
) -> None:
    key = (await api.key("internal")).encode()
    head = b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nX-API-Key: " + key + b"\r\nContent-Type: application/json\r\n"
    sent = head + upgrade + b"Content-Length: %d\r\n\r\n" % len(ORDER) + ORDER + LAST
    size = len(sent) // pieces + 1
    first, second = await server.answers(*[sent[n : n + size] for n in range(0, len(sent), size)])
    assert (first.status, second.status) == (202, 200)
    assert first.json["input"]["prompt"] == "x"


async def test_a_chunked_body_behind_an_upgrade_is_no_request(api: Api, server: Listening) -> None:
    smuggled = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"POST /ping HTTP/1.1\r\nHost: x\r\n" + H2C + b"Transfer-Encoding: chunked\r\n\r\n"
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(smuggled), smuggled)
    assert [one.status for one in await server.answers(head, body, LAST)] == [405, 200]


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /ping HTTP/1.1\r\nHost: x\r\n" + SOCKET + b"Content-Length: 2\r\n\r\n{}", id="a body"),
        pytest.param(b"GET /ping HTTP/1.0\r\nHost: x\r\n" + SOCKET + b"\r\n", id="HTTP/1.0"),
        pytest.param(b"GET /ping HTTP/1.1\r\nHost: x\r\n" + H2C + b"\r\n", id="h2c"),
    ],
)
async def test_a_get_that_opens_no_socket_is_answered_like_any_other(server: Listening, head: bytes) -> None:
    answers = await server.answers(head + LAST)
    assert answers[0].status == 200


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE"])
async def test_who_asks_for_a_socket_by_another_method_is_answered_in_time(hasty: Listening, method: bytes) -> None:
    head = method + b" /ws/jobs/x HTTP/1.1\r\nHost: x\r\n" + SOCKET + b"Content-Length: 1000\r\n\r\n{"
    (answer,) = await hasty.answers(head)
    assert answer.status == 404


async def test_an_answer_under_way_is_not_interrupted_by_a_handshake(server: Listening) -> None:
    handshake = b"GET /ws/jobs/x HTTP/1.1\r\nHost: x\r\n" + SOCKET + b"\r\n"
    ping = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
    assert [one.status for one in await server.answers(ping + handshake + LAST)] == [200, 404, 200]


async def test_a_handshake_whose_head_is_refused_opens_nothing(server: Listening) -> None:
    (answer,) = await server.answers(b"GET /ws/jobs/x HTTP/1.1\r\nHost: x\r\nHost: y\r\n" + SOCKET + b"\r\n")
    assert answer.status == 400


async def test_a_handshake_with_a_line_too_long_for_it_is_told_so(server: Listening) -> None:
    long = b"X-Long: " + b"x" * 9_000 + b"\r\n"
    (answer,) = await server.answers(b"GET /ws/jobs/x HTTP/1.1\r\nHost: x\r\n" + SOCKET + long + b"\r\n")
    assert (answer.status, answer.code) == (431, "headers_too_large")
