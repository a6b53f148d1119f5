"""What the guarded client reaches, and the canary that it never does."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from functools import partial

import httpcore
import pytest

from libs.egress import Rules
from libs.errors import Failure
from tests.fakes.web_server import Answer, Asked, WebServer, answer, web_server
from tests.integration.libs.egress.guarding import (
    PUBLIC,
    TYPES,
    Names,
    allowing,
    failure_of,
    guarded,
    png,
    without_sockets,
)

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
