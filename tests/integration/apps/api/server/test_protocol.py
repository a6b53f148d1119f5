"""Requests as they stand on the wire: in which order they are answered; how many, how long, how large they may be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from apps.api.server import connection as of_server
from apps.api.server.budget import What
from libs import limits
from libs.errors import Refusal
from tests.fakes.api import Api
from tests.fakes.wire import Listening, answers_in
from tests.patience import PATIENCE_S

PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
QUEUE = "cpu"


def post(*headers: bytes, path: bytes = b"/api/v1/jobs", version: bytes = b"1.1") -> bytes:
    return b"\r\n".join([b"POST " + path + b" HTTP/" + version, b"Host: x", *headers, b"", b""])


async def eventually(found: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not found():
            await asyncio.sleep(0.01)


async def key_header(api: Api) -> bytes:
    return b"X-API-Key: " + (await api.key("internal")).encode()


# Several on one connection


async def test_so_many_may_wait_behind_one_and_whoever_sends_more_is_told_so(server: Listening) -> None:
    answers = await server.answers(PING * 500)
    assert [one.status for one in answers] == [200] * (1 + limits.PIPELINED_REQUESTS_MAX) + [429]
    assert answers[-1].json["violated-policies"] == ["pipelined"]
    assert answers[-1].headers["connection"] == "close"


async def test_as_many_as_may_wait_are_all_answered(server: Listening) -> None:
    answers = await server.answers(PING * limits.PIPELINED_REQUESTS_MAX + LAST)
    assert [one.status for one in answers] == [200] * (1 + limits.PIPELINED_REQUESTS_MAX)


async def test_behind_a_stream_a_few_wait_and_nothing_more_is_read(api: Api, server: Listening) -> None:
    key = await key_header(api)
    job = await submit(server, key)
    async with server.wire() as wire:
        await wire.send(b"GET /api/v1/jobs/" + job + b"/events HTTP/1.1\r\nHost: x\r\n" + key + b"\r\n\r\n")
        await wire.until(b"snapshot")
        (connection,) = server.connections
        for _ in range(50):
            await wire.send(PING * 10)
            if connection.flow.read_paused:
                break
        assert connection.flow.read_paused
        assert len(connection.pipeline) <= limits.PIPELINED_REQUESTS_MAX
        assert server.state.in_flight == 1


async def test_what_is_no_http_is_answered_after_what_came_before_it(api: Api, server: Listening) -> None:
    key = await key_header(api)
    slow = post(key, b"Content-Type: application/json", b"Prefer: wait=1") + b""
    body = b'{"kind":"noop","input":{}}'
    slow = slow.replace(b"\r\n\r\n", b"\r\nContent-Length: %d\r\n\r\n" % len(body)) + body
    first, second = await server.answers(slow + b"nonsense\r\n\r\n")
    assert (first.status in (202, 422), second.status, second.code) == (True, 400, "malformed_request")


async def test_a_queued_request_whose_body_is_malformed_is_told_so_in_its_turn(server: Listening) -> None:
    chunked = post(b"Transfer-Encoding: chunked", path=b"/ping")
    first, second = await server.answers(PING + chunked + b"zz\r\n")
    assert (first.status, second.status) == (200, 400)


async def test_a_body_that_turns_out_malformed_is_told_so_at_once_and_its_request_says_nothing(
    api: Api, server: Listening
) -> None:
    key = await key_header(api)
    head = post(key, b"Content-Type: application/json", b"Transfer-Encoding: chunked")
    answers = await server.answers(head, b"2\r\n{}\r\n", b"zz\r\n")
    assert [(one.status, one.code) for one in answers] == [(400, "malformed_request")]
    await eventually(lambda: server.state.in_flight == 0)


async def test_the_running_request_hears_that_its_client_left_though_another_waits(api: Api, server: Listening) -> None:
    key = await key_header(api)
    job = await submit(server, key)
    async with server.wire() as wire:
        stream = b"GET /api/v1/jobs/" + job + b"/events HTTP/1.1\r\nHost: x\r\n" + key + b"\r\n\r\n"
        await wire.send(stream)
        await wire.until(b"snapshot")
        await wire.send(PING)
        wire.writer.transport.abort()
        (connection,) = server.connections
        connection.transport.abort()
    await eventually(lambda: server.state.in_flight == 0)


# What has no end


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(post(b"Transfer-Encoding: chunked"), id="in chunks"),
        pytest.param(post(b"Content-Length: 1000000000"), id="of a length"),
    ],
)
async def test_the_rest_of_a_body_that_has_its_answer_is_not_waited_for_for_long(hasty: Listening, head: bytes) -> None:
    (answer,) = await hasty.answers(head + b"1\r\nx\r\n")
    assert answer.status == 401


async def test_a_body_behind_its_answer_is_dropped_up_to_a_bound_and_the_next_request_is_read(
    server: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BODY_DISCARD_BYTES_MAX", 100_000)
    monkeypatch.setattr(of_server, "_LINGER_S", 0.1)
    head = post(b"Content-Length: 100000", path=b"/nowhere")
    async with server.wire() as wire:
        await wire.send(head)
        await wire.until(b"\r\n\r\n")
        await wire.send(bytes(100_000), LAST)
        assert b"200 OK" in await wire.rest()
    head = post(b"Content-Length: 100001", path=b"/nowhere")
    async with server.wire() as wire:
        await wire.send(head)
        await wire.until(b"\r\n\r\n")
        await wire.send(bytes(100_001), LAST)
        assert b"200 OK" not in await wire.rest()


async def test_who_sends_all_of_a_body_before_reading_gets_to_read_why(server: Listening) -> None:
    """As urllib does, whose connections are for one request each."""
    for path in (b"/nowhere", b"/admin/users"):
        async with server.wire() as wire:
            size = 9_000_000
            await wire.send(post(b"Connection: close", b"Content-Length: %d" % size, path=path) + bytes(size))
            assert (await wire.rest()).startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 401 "))


async def test_empty_lines_between_requests_are_no_sign_of_life(hasty: Listening) -> None:
    async with hasty.wire() as wire:
        await wire.send(PING)
        await wire.until(b"true}")
        await wire.send(b"\r\n")
        assert await wire.rest() == b""


async def test_after_a_dropped_body_a_connection_may_rest_as_ever(hasty: Listening) -> None:
    async with hasty.wire() as wire:
        await wire.send(post(b"Content-Length: 5"))
        await wire.until(b"\r\n\r\n")
        await wire.send(b"12345")
        await asyncio.sleep(1.5 * limits.HEADERS_S)
        await wire.send(LAST)
        assert b"200 OK" in await wire.rest()


async def test_a_body_that_nobody_reads_is_weighed_and_its_sender_told_when_it_is_too_much(
    api: Api, server: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.state.budget.share_bytes = 100_000
    gate = asyncio.Event()

    async def let_in(*_: object) -> None:
        await gate.wait()

    monkeypatch.setattr(server.state.door, "let_in", let_in)
    head = post(b"X-API-Key: x", b"Content-Length: 400000")
    async with server.wire() as wire:
        await wire.send(head + bytes(70_000))
        await eventually(lambda: server.state.budget.held_bytes == 70_000)
        gate.set()
        assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 ")
        gate.clear()
    await eventually(lambda: server.state.budget.held_bytes == 0)
    (answer,) = await server.answers(head + bytes(150_000))
    assert (answer.code, answer.json["violated-policies"]) == ("rate_limited", ["bytes"])
    assert server.state.budget.held_bytes == 0
    gate.set()


async def test_an_answer_that_nobody_takes_is_weighed(api: Api, server: Listening) -> None:
    async with server.wire() as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(40):
            await wire.send(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
            if server.state.budget.held_bytes:
                break
        assert server.state.budget.held_by("127.0.0.1") == server.state.budget.held_bytes > 0
    await eventually(lambda: server.state.budget.held_bytes == 0)


# Heads


@pytest.mark.parametrize(
    "head, status",
    [
        pytest.param(b"GET /ping HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(b"GET /ping HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, id="two hosts"),
        pytest.param(b"GET /ping HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400, id="two hosts in 1.0"),
        pytest.param(b"GET /ping HTTP/1.0\r\n\r\n", 200, id="no host in 1.0"),
        pytest.param(b"GET /ping\r\n\r\n", 400, id="0.9"),
        pytest.param(b"GET /ping HTTP/2.0\r\nHost: a\r\n\r\n", 400, id="2.0"),
        pytest.param(post(b"Transfer-Encoding: gzip, chunked"), 501, id="gzip, chunked"),
        pytest.param(post(b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"), 501, id="gzip and chunked"),
        pytest.param(post(b"Transfer-Encoding: identity"), 501, id="identity"),
        pytest.param(post(b"Transfer-Encoding: chunked, gzip"), 400, id="chunked is not the last"),
        pytest.param(post(b"Transfer-Encoding: chunked", version=b"1.0"), 400, id="chunks in 1.0"),
        pytest.param(post(b"Content-Length: 3", b"Content-Length: 3"), 400, id="two lengths"),
        pytest.param(post(b"Content-Length: 3, 3"), 400, id="a list of lengths"),
        pytest.param(post(b"Content-Length: +3"), 400, id="a sign"),
        pytest.param(post(b"Content-Length: 99999999999999999999999"), 400, id="a length past all bounds"),
        pytest.param(b"GET /ping HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400, id="a folded line"),
        pytest.param(b"GET /ping HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", 400, id="a space before the colon"),
        pytest.param(b"GET /ping HTTP/1.1\nHost: x\n\n", 400, id="bare line feeds"),
        pytest.param(b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n", 501, id="connect"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="http/2"),
        pytest.param(b"GET " + b"/" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431, id="a long target"),
    ],
)
async def test_a_head_that_could_be_read_in_two_ways_is_refused_and_the_connection_closed(
    server: Listening, head: bytes, status: int
) -> None:
    answers = await server.answers(head + (LAST if status != 200 else b""))
    assert [one.status for one in answers] == [status]
    if status != 200:
        assert answers[0].headers["content-type"] == "application/problem+json"
        assert answers[0].headers["connection"] == "close"
        assert answers[0].headers["x-content-type-options"] == "nosniff"


async def test_a_refused_head_is_answered_in_its_turn_and_counted(server: Listening) -> None:
    counted = server.state.metrics.registry.get_sample_value
    before = counted("arqade_refusals_total", {"code": "not_implemented"}) or 0
    first, second = await server.answers(PING + post(b"Transfer-Encoding: gzip, chunked") + PING)
    assert (first.status, second.code) == (200, "not_implemented")
    assert counted("arqade_refusals_total", {"code": "not_implemented"}) == before + 1


async def test_a_hundred_headers_are_read_and_one_more_is_not(server: Listening) -> None:
    for count, status in ((limits.HEADERS_MAX, 200), (limits.HEADERS_MAX + 1, 431)):
        more = [b"X-%d: y" % n for n in range(count - 2)]
        head = b"\r\n".join([b"GET /ping HTTP/1.1", b"Host: x", b"Connection: close", *more, b"", b""])
        assert [one.status for one in await server.answers(head)] == [status]


async def test_who_waits_for_100_and_gets_another_answer_is_not_misread(api: Api, server: Listening) -> None:
    expecting = post(b"Expect: 100-continue", b"Content-Length: 5", b"Content-Type: application/json")
    answers = await server.answers(expecting + LAST)
    assert [(one.status, one.headers["connection"]) for one in answers] == [(401, "close")]
    key = await key_header(api)
    async with server.wire() as wire:
        await wire.send(expecting.replace(b"\r\n\r\n", b"\r\n" + key + b"\r\n\r\n"))
        assert await wire.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await wire.send(b"[1,2]")
        (answer,) = answers_in(await wire.rest())
    assert answer.code == "validation_failed"


async def submit(server: Listening, key: bytes) -> bytes:
    body = b'{"kind":"generate","input":{"prompt":"x"}}'
    head = post(key, b"Content-Type: application/json", b"Connection: close", b"Content-Length: %d" % len(body))
    (answer,) = await server.answers(head + body)
    assert answer.status == 202, answer.body
    return str(answer.json["id"]).encode()


# What is held, on the way of real requests


async def test_a_large_order_is_held_while_it_is_read_and_let_go_of_while_its_end_is_waited_for(
    api: Api, server: Listening
) -> None:
    key, seen = await key_header(api), []
    body = b'{"kind":"generate","input":{"prompt":"x"},"metadata":{"a":"' + b"y" * 1_000 + b'"}}' + b" " * 60_000
    head = post(key, b"Content-Type: application/json", b"Prefer: wait=60", b"Content-Length: %d" % len(body))
    budget, move = server.state.budget, server.state.budget.move

    def moved(owner: str, what: What, count: int) -> None:
        move(owner, what, count)
        seen.append(budget.held_bytes)

    budget.move = moved  # type: ignore[method-assign]
    async with server.wire() as wire:
        await wire.send(head, body[:30_000], body[30_000:])
        await eventually(lambda: len(seen) > 2 and seen[-1] == 0)
        assert server.state.in_flight == 1
    assert max(seen) > 2 * len(body)


async def test_one_large_body_too_many_of_a_user_is_refused_and_that_of_another_is_not(
    api: Api, server: Listening
) -> None:
    server.state.budget.share_bytes = 250_000
    greedy, good = await key_header(api), await key_header(api)
    head = b"Content-Type: application/json", b"Content-Length: 150000"
    async with server.wire() as first:
        await first.send(post(greedy, *head) + bytes(140_000))
        await eventually(lambda: server.state.budget.held_bytes == 140_000)
        async with server.wire() as second:
            await second.send(post(greedy, *head) + bytes(140_000))
            assert b"429 Too Many Requests" in await second.rest()
        async with server.wire() as third:
            await third.send(post(good, *head) + bytes(140_000))
            await eventually(lambda: server.state.budget.held_bytes == 280_000)
    await eventually(lambda: server.state.budget.held_bytes == 0)


async def test_a_file_that_a_request_reads_whole_is_weighed_before_it_is_read(api: Api, server: Listening) -> None:
    objects = api.resources.objects
    seen: list[int] = []
    await objects.put("large", bytes(3 * 1024 * 1024), "application/octet-stream")
    await objects.put("small", bytes(1_000), "application/octet-stream")
    objects.weigh = seen.append
    assert len(await objects.get("large", bytes_max=2**27) or b"") == 3 * 1024 * 1024
    assert await objects.get("large", bytes_max=2**27, offset=5, length=10) == bytes(10)
    assert await objects.get("none", bytes_max=2**27) is None
    assert seen == [3 * 1024 * 1024]
    objects.weigh = server.state.files.weigh
    server.state.budget.hold("others", "body").note(server.state.budget.bytes_max)
    server.state.files.begin({"type": "http", "client": ("192.0.2.1", 1)})
    with pytest.raises(Refusal) as caught:
        await objects.get("large", bytes_max=2**27, offset=1)
    assert caught.value.code == "overloaded"
