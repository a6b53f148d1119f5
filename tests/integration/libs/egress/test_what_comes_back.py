"""What the guarded client takes from servers, and what it sends."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib

import pytest

from libs.egress import Egress, Posted, Rules
from libs.errors import Failure
from tests.fakes.web_server import Answer, Asked, answer, cut, drip, hang, raw, web_server
from tests.integration.libs.egress.guarding import (
    TLS,
    TYPES,
    allowing,
    failure_of,
    png,
)
from tests.patience import PATIENCE_S


async def test_a_file_comes_whole_under_the_type_of_its_bytes() -> None:
    async with web_server(lambda _asked: answer(200, png(), Content_Type="text/html")) as server:
        fetched = await allowing(server).fetch(server.url, bytes_max=len(png()), types=TYPES)
    assert (fetched.data, fetched.content_type) == (png(), "image/png")
    headers = server.asked[0].headers
    assert set(headers) == {"host", "user-agent", "accept", "accept-encoding"}


async def test_a_type_that_nobody_asked_for_is_refused_whatever_the_server_calls_it() -> None:
    page = b"<!doctype html><title>x</title>\x00"
    async with web_server(lambda _asked: answer(200, page, Content_Type="image/png")) as server:
        assert (await failure_of(allowing(server), server.url)).code == "url_wrong_type"


@pytest.mark.parametrize("status", [204, 206, 304, 400, 401, 403, 404, 410])
async def test_an_answer_that_is_no_file_is_final(status: int) -> None:
    async with web_server(lambda _asked: answer(status, b"")) as server:
        failure = await failure_of(allowing(server), server.url)
    assert (failure.code, failure.retryable, failure.fault) == ("url_refused", False, "caller")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
async def test_an_answer_of_a_server_in_trouble_is_worth_another_try(status: int) -> None:
    async with web_server(lambda _asked: answer(status, b"trouble")) as server:
        assert (await failure_of(allowing(server), server.url)).retryable


@pytest.mark.parametrize("wbits", [31, 15])
async def test_a_compressed_file_is_decoded(wbits: int) -> None:
    packer = zlib.compressobj(wbits=wbits)
    packed = packer.compress(png()) + packer.flush()
    encoding = "gzip" if wbits == 31 else "deflate"
    async with web_server(lambda _asked: answer(200, packed, Content_Encoding=encoding)) as server:
        assert (await allowing(server).fetch(server.url, bytes_max=1_000, types=TYPES)).data == png()


async def test_a_bomb_is_counted_as_it_unpacks() -> None:
    bomb = gzip.compress(bytes(50_000_000), 9)
    assert len(bomb) < 60_000
    async with web_server(lambda _asked: answer(200, bomb, Content_Encoding="gzip")) as server:
        tracemalloc.start()
        try:
            failure = await failure_of(allowing(server), server.url, bytes_max=1_000_000)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert failure.code == "url_too_large"
    assert peak < 10_000_000


BROKEN = {
    "two layers": (gzip.compress(gzip.compress(b"x")), "gzip, gzip"),
    "an unknown one": (b"x", "br"),
    "cut short": (gzip.compress(b"x" * 1_000)[:-9], "gzip"),
    "two files in one": (gzip.compress(b"x") + gzip.compress(b"y"), "gzip"),
    "none at all": (b"plain", "gzip"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_compression_that_does_not_hold_is_refused(name: str) -> None:
    body, encoding = BROKEN[name]
    async with web_server(lambda _asked: answer(200, body, Content_Encoding=encoding)) as server:
        assert (await failure_of(allowing(server), server.url)).code == "url_undecodable"


@pytest.mark.parametrize("declared", [True, False])
async def test_a_file_of_one_byte_too_many_is_refused(declared: bool) -> None:
    chunked = raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n")
    async with web_server(lambda _asked: answer(200, b"abcd") if declared else chunked) as server:
        assert (await failure_of(allowing(server), server.url, bytes_max=3)).code == "url_too_large"
        fetched = await allowing(server).fetch(server.url, bytes_max=4, types=TYPES)
    assert fetched.data == b"abcd"


TROUBLE = {
    "cut": cut(),
    "closed": raw(b""),
    "not HTTP": raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "half a head": raw(b"HTTP/1.1 200 OK\r\nContent-"),
    "a head without end": raw(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 100_000),
    "two lengths": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
}


@pytest.mark.parametrize("name", TROUBLE)
async def test_a_broken_answer_is_a_failure_worth_another_try(name: str) -> None:
    async def told(writer: asyncio.StreamWriter) -> None:
        await TROUBLE[name](writer)
        writer.close()

    async with web_server(lambda _asked: told) as server:
        failure = await failure_of(allowing(server), server.url)
    assert (failure.code, failure.retryable, failure.fault) == ("url_unreachable", True, "caller")


@pytest.mark.parametrize("slow", [hang(), drip()], ids=["hang", "drip"])
async def test_a_slow_server_holds_nobody_up(slow: Answer) -> None:
    async with web_server(lambda _asked: slow) as server:
        failure = await failure_of(allowing(server, fetch_s=0.3), server.url)
    assert (failure.code, failure.retryable) == ("url_timed_out", True)


async def test_a_chain_of_slow_redirects_is_bounded_as_a_whole() -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        await answer(302, Location="/again")(writer)

    async with web_server(lambda _asked: slow) as server:
        assert (await failure_of(allowing(server, fetch_s=0.5), server.url)).code == "url_timed_out"


async def test_being_canceled_lets_go_of_the_connection() -> None:
    gone = asyncio.Event()

    async def until_gone(writer: asyncio.StreamWriter) -> None:
        while not writer.transport.is_closing():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await asyncio.sleep(0.01)
        gone.set()

    async with web_server(lambda _asked: until_gone) as server, asyncio.timeout(PATIENCE_S):
        task = asyncio.create_task(allowing(server).fetch(server.url, bytes_max=10, types=TYPES))
        while not server.asked:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await gone.wait()


async def test_a_post_tells_the_status_and_follows_nothing() -> None:
    def tell(asked: Asked) -> Answer:
        return answer(302, Location="/other") if asked.path == "/moved" else answer(410, b"x" * 1_000_000)

    async with web_server(tell) as server:
        egress = allowing(server)
        assert await egress.post(server.url + "/moved", {"webhook-id": "msg_1"}, b'{"a":1}') == Posted(302, None)
        assert await egress.post(server.url + "/gone", {}, b"") == Posted(410, None)
        assert [asked.path for asked in server.asked] == ["/moved", "/gone"]
    first = server.asked[0]
    assert (first.method, first.body, first.headers["webhook-id"]) == ("POST", b'{"a":1}', "msg_1")


async def drip_head(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"X-A: b\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def not_yet(writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("slow", [hang(), drip(), drip_head, not_yet], ids=["hang", "body", "head", "not yet"])
async def test_a_post_is_over_in_time_whatever_of_its_answer_drips(slow: Answer) -> None:
    async with web_server(lambda _asked: slow) as server, asyncio.timeout(PATIENCE_S):
        egress = Egress(Rules.of(hosts=(f"127.0.0.1:{server.port}",)), tls=TLS, post_s=0.3)
        with pytest.raises(Failure) as caught:
            await egress.post(server.url, {}, b"{}")
    assert (caught.value.code, caught.value.retryable) == ("url_timed_out", True)


async def test_a_header_that_is_two_is_not_sent() -> None:
    async with web_server(lambda _asked: answer(200)) as server:
        with pytest.raises(Failure) as caught:
            await allowing(server).post(server.url, {"x-a": "b\r\nx-c: d"}, b"")
    assert caught.value.code == "url_not_allowed"
    assert server.asked == []
