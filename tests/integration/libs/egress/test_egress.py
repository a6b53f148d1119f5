"""The guarded client against real sockets: what it reaches, and the canary that it never does."""

from __future__ import annotations

import asyncio
import gc
import gzip
import io
import socket
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Sequence
from functools import partial

import httpcore
import pytest
from PIL import Image

from libs.egress import Egress, Rules
from libs.egress.dial import Resolve, resolve
from libs.errors import Failure
from tests.fakes.web_server import Answer, Asked, WebServer, answer, cut, drip, hang, raw, web_server

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


@pytest.fixture
async def canary() -> AsyncIterator[WebServer]:
    async with web_server(lambda _asked: answer(200, b"secret")) as server:
        yield server


def guarded(rules: Rules, *, resolver: Resolve = resolve, fetch_s: float = 20.0) -> Egress:
    return Egress(rules, resolver=resolver, fetch_s=fetch_s, tls=TLS)


def allowing(server: WebServer, *, fetch_s: float = 20.0) -> Egress:
    return guarded(Rules.of(hosts=(f"127.0.0.1:{server.port}",)), fetch_s=fetch_s)


# Where it goes


INNER = [
    "127.0.0.1",
    "::1",
    "10.0.0.1",
    "169.254.169.254",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "fe80::1%lo",
    "0.0.0.0",
]


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("others", [[], [PUBLIC], [PUBLIC, "2606:4700::1"]])
async def test_one_private_answer_among_any_refuses_the_name(inner: str, others: list[str]) -> None:
    for answers in ([*others, inner], [inner, *others]):
        egress = guarded(Rules.of(http_allowed=True), resolver=Names(evil_example=[answers]))
        sockets = without_sockets(egress)
        failure = await failure_of(egress, "http://evil.example/")
        assert (failure.code, failure.fault, failure.retryable) == ("url_not_allowed", "caller", False)
        assert sockets.addresses == []


async def test_a_name_that_changes_its_mind_gets_the_address_that_was_vetted(canary: WebServer) -> None:
    names = Names(evil_example=[[PUBLIC], ["127.0.0.1"]])
    egress = guarded(Rules.of(http_allowed=True), resolver=names)
    sockets = without_sockets(egress)
    assert (await failure_of(egress, "http://evil.example/")).code == "url_unreachable"
    assert (names.asked, sockets.addresses) == (["evil.example"], [PUBLIC])
    assert (await failure_of(egress, "http://evil.example/")).code == "url_not_allowed"
    assert (sockets.addresses, canary.connections) == ([PUBLIC], 0)


async def test_the_system_resolver_gives_no_way_to_loopback(canary: WebServer) -> None:
    egress = guarded(Rules.of(http_allowed=True))
    for host in ("localhost", "127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "127.1", "0"):
        assert (await failure_of(egress, f"http://{host}:{canary.port}/")).code == "url_not_allowed"
        with pytest.raises(Failure):
            await egress.post(f"http://{host}:{canary.port}/", {}, b"{}")
    assert canary.connections == 0


LEADS_INSIDE = [
    "http://127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://2130706433:{port}/",
    "http://user@127.0.0.1:{port}/",
    "http://inside.example/",
    "file:///etc/passwd",
    "\\\\127.0.0.1:{port}\\",
    "http://127.0.0.1:{port}/, http://127.0.0.1:{port}/",
]


@pytest.mark.parametrize("location", LEADS_INSIDE)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_the_inside_is_not_followed(canary: WebServer, location: str, status: int) -> None:
    names = Names(inside_example=[["127.0.0.1"]])
    async with web_server(lambda _asked: answer(status, Location=location.format(port=canary.port))) as server:
        rules = Rules.of(http_allowed=True, hosts=(f"127.0.0.1:{server.port}",))
        failure = await failure_of(guarded(rules, resolver=names), server.url)
    assert failure.code in {"url_not_allowed", "url_refused"}
    assert canary.connections == 0


async def test_redirects_are_followed_three_times_each_one_vetted() -> None:
    def tell(asked: Asked) -> Answer:
        hop = int(asked.path.rpartition("/")[2])
        return answer(302, Location=f"/a/../{hop - 1}") if hop else answer(200, png())

    async with web_server(tell) as server:
        assert (await allowing(server).fetch(server.url + "/3", bytes_max=1_000, types=TYPES)).data == png()
        assert (await failure_of(allowing(server), server.url + "/4")).code == "url_redirects"
        assert [asked.path for asked in server.asked[:4]] == ["/3", "/2", "/1", "/0"]


async def test_a_proxy_in_the_environment_is_not_asked(canary: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, canary.url)
    async with web_server(lambda _asked: answer(200, png())) as server:
        await allowing(server).fetch(server.url, bytes_max=1_000, types=TYPES)
    assert canary.connections == 0


async def test_host_and_sni_keep_the_name() -> None:
    async with web_server(lambda _asked: answer(200, png())) as server:
        names = Names(files_example=[["127.0.0.1"]])
        egress = guarded(Rules.of(hosts=("files.example",)), resolver=names)
        await egress.fetch(f"http://files.example:{server.port}/a?b=c", bytes_max=1_000, types=TYPES)
        assert server.asked[0].headers["host"] == f"files.example:{server.port}"
        assert server.asked[0].path == "/a?b=c"
        assert (await failure_of(egress, f"https://files.example:{server.port}/")).code == "url_unreachable"
        assert b"files.example" in server.first_bytes[-1], "the name stands in TLS's first message"


class AllHere(httpcore.AsyncNetworkBackend):
    """In place of the sockets: every address is the test's own server."""

    def __init__(self, server: WebServer) -> None:
        self.port = server.port

    async def connect_tcp(self, host: str, port: int, *_rest: object) -> httpcore.AsyncNetworkStream:
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", self.port)


async def test_an_ipv6_address_stands_in_brackets_in_the_host() -> None:
    async with web_server(lambda _asked: answer(200, png())) as server:
        egress = guarded(Rules.of(http_allowed=True))
        egress._dial = partial(egress._dial, sockets=AllHere(server))
        await egress.fetch("http://[2606:4700::1]/", bytes_max=1_000, types=TYPES)
    assert server.asked[0].headers["host"] == "[2606:4700::1]"


async def test_names_go_out_whole_so_that_no_search_domain_of_ours_is_tried() -> None:
    asked: list[str] = []

    async def resolver(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["10.0.0.1"]

    await failure_of(guarded(Rules(), resolver=resolver), "https://redis.default/")
    assert asked == ["redis.default."]


async def test_no_failure_tells_an_address_or_whether_a_name_exists() -> None:
    names = Names(inside_example=[["10.1.2.3"]])
    inside = await failure_of(guarded(Rules(), resolver=names), "https://inside.example/")
    nowhere = await failure_of(guarded(Rules(), resolver=names), "https://nowhere.example/")
    assert str(inside) == str(nowhere)
    assert "10.1" not in str(inside)
    assert "example" not in str(inside)


async def test_a_resolver_that_is_silent_or_mad_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr("libs.egress.dial._RESOLVE_S", 0.05)
    failure = await failure_of(guarded(Rules(), resolver=silent), "https://files.example/")
    assert (failure.code, failure.retryable) == ("url_unreachable", True)
    for answers in ([], ["not an address"], [f"93.184.{i}.1" for i in range(100)]):
        egress = guarded(Rules(), resolver=Names(files_example=[answers]))
        assert (await failure_of(egress, "https://files.example/")).code == "url_not_allowed"


async def test_a_handshake_that_never_ends_leaves_no_socket_behind() -> None:
    async with web_server() as server:
        rules = Rules.of(hosts=(f"127.0.0.1:{server.port}",))
        server.silent = True
        failure = await failure_of(guarded(rules, fetch_s=0.2), f"https://127.0.0.1:{server.port}/")
        assert failure.code == "url_timed_out"
        gc.collect()  # a socket that nobody closed would be told now


# What comes back


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

    async with web_server(lambda _asked: until_gone) as server, asyncio.timeout(5):
        task = asyncio.create_task(allowing(server).fetch(server.url, bytes_max=10, types=TYPES))
        while not server.asked:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await gone.wait()


# Posting


async def test_a_post_tells_the_status_and_follows_nothing() -> None:
    def tell(asked: Asked) -> Answer:
        return answer(302, Location="/other") if asked.path == "/moved" else answer(410, b"x" * 1_000_000)

    async with web_server(tell) as server:
        egress = allowing(server)
        assert await egress.post(server.url + "/moved", {"webhook-id": "msg_1"}, b'{"a":1}') == 302
        assert await egress.post(server.url + "/gone", {}, b"") == 410
        assert [asked.path for asked in server.asked] == ["/moved", "/gone"]
    first = server.asked[0]
    assert (first.method, first.body, first.headers["webhook-id"]) == ("POST", b'{"a":1}', "msg_1")


async def test_a_header_that_is_two_is_not_sent() -> None:
    async with web_server(lambda _asked: answer(200)) as server:
        with pytest.raises(Failure) as caught:
            await allowing(server).post(server.url, {"x-a": "b\r\nx-c: d"}, b"")
    assert caught.value.code == "url_not_allowed"
    assert server.asked == []
