"""The API as a process: what happens before a request is one, and how it starts and stops."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs import limits
from libs.access.api_key import mint
from libs.access.api_keys import bootstrap
from libs.embedded.ports import free_port
from tests.fakes.api import PEPPER, ApiProcess, api_process
from tests.fakes.processes import eventually
from tests.patience import PATIENCE_S
from tests.run.promises import Prompt
from tests.servers import RedisServer, S3Server, open_store


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, valkey_session: RedisServer, s3: S3Server
) -> Iterator[ApiProcess]:
    """One process for the tests that do not stop it."""
    with api_process(tmp_path_factory.mktemp("api"), valkey_session.url, s3) as process:
        yield process


def talk(api: ApiProcess, *pieces: bytes, timeout_s: float = 5) -> tuple[bytes, dict[str, Any]]:
    """Send these bytes; the head of the answer, and its problem."""
    with socket.create_connection(api.address, timeout=timeout_s) as connection:
        for piece in pieces:
            connection.sendall(piece)
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.lower(), json.loads(body)


def request(*headers: bytes, method: bytes = b"POST", path: bytes = b"/admin/users") -> bytes:
    return b"\r\n".join([method + b" " + path + b" HTTP/1.1", b"Host: x", b"Connection: close", *headers, b"", b""])


def test_answers_carry_every_header_and_no_server(running: ApiProcess) -> None:
    headers = httpx.get(running.url + "/ping", timeout=PATIENCE_S).headers
    assert "server" not in headers
    for name in ("date", "x-request-id", "api-version", "cache-control", "x-content-type-options", "referrer-policy"):
        assert name in headers


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        request(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        request(b"Content-Length: five"),
        request(b"Content-Length: 5", b"Content-Length: 6"),
        request(b"bad header"),
    ],
)
def test_what_is_no_http_is_a_problem_like_any_other(running: ApiProcess, garbage: bytes) -> None:
    head, body = talk(running, garbage)
    assert head.startswith(b"http/1.1 400")
    assert b"application/problem+json" in head
    assert b"x-content-type-options: nosniff" in head
    assert (body["code"], body["request_id"].encode() in head) == ("malformed_request", True)


def test_headers_up_to_the_limit_are_read_and_no_further(running: ApiProcess) -> None:
    fits = request(b"X-Long: " + b"x" * (limits.HEADERS_BYTES_MAX - 200), method=b"GET", path=b"/ping")
    assert talk(running, fits)[1] == {"ok": True}
    for size in (limits.HEADERS_BYTES_MAX, 200_000):
        head, body = talk(running, request(b"X-Long: " + b"x" * size, method=b"GET", path=b"/ping"))
        assert head.startswith(b"http/1.1 431")
        assert body["code"] == "headers_too_large"


def test_very_many_headers_are_too_large_too(running: ApiProcess) -> None:
    many = request(*[b"X-%d: y" % n for n in range(5_000)])
    assert talk(running, many)[1]["code"] == "headers_too_large"


def test_a_header_that_never_ends_is_cut_off(running: ApiProcess) -> None:
    endless = [b"GET /ping HTTP/1.1\r\nX-Long: ", *[b"x" * 8_192] * 8]
    with socket.create_connection(running.address, timeout=PATIENCE_S) as connection:
        for piece in endless:
            try:
                connection.sendall(piece)
            except ConnectionError:
                break
            time.sleep(0.01)  # separate reads
        try:
            answer = connection.recv(65_536)
        except ConnectionError:
            answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")


def test_chunks_that_lie_about_their_length_are_malformed(running: ApiProcess) -> None:
    key = b"x-api-key: " + mint().encode()
    lie = request(b"Content-Type: application/json", b"Transfer-Encoding: chunked", key) + b"5\r\n{}\r\n0\r\n\r\n"
    assert talk(running, lie)[1]["status"] in {400, 401}


def test_a_pipelined_second_request_is_answered_after_the_first(running: ApiProcess) -> None:
    first = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(running.address, timeout=PATIENCE_S) as connection:
        connection.sendall(first + request(method=b"GET", path=b"/nowhere"))
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    assert answer.count(b"HTTP/1.1 ") == 2
    assert answer.index(b"200 OK") < answer.index(b"404 Not Found")


def test_a_trailing_slash_is_answered_and_not_redirected(running: ApiProcess) -> None:
    assert httpx.get(running.url + "/ping/", timeout=PATIENCE_S).json() == {"ok": True}


def test_head_has_the_headers_and_no_body(running: ApiProcess) -> None:
    answer = httpx.head(running.url + "/ping")
    assert (answer.status_code, answer.content) == (200, b"")


# Starting and stopping


def test_an_idle_process_stops_at_once_with_0_and_its_log_is_json(
    tmp_path: Path, valkey: RedisServer, s3: S3Server, prompt: Prompt
) -> None:
    with api_process(tmp_path, valkey.url, s3) as api:
        httpx.get(api.url + "/nowhere", timeout=PATIENCE_S)
        with prompt(3):
            assert api.stop() == 0
        lines = api.lines()
    assert [line["status"] for line in lines if line["logger"] == "arqade.access"] == [404]


def test_a_process_whose_redis_is_away_starts_serves_503_and_stops(tmp_path: Path, s3: S3Server) -> None:
    port = free_port()
    with api_process(tmp_path, f"redis://127.0.0.1:{port}/0", s3) as api:
        assert httpx.get(api.url + "/ping", timeout=PATIENCE_S).status_code == 200
        answer = httpx.get(api.url + "/api/v1/me", headers={"x-api-key": mint()}, timeout=PATIENCE_S)
        assert (answer.status_code, answer.json()["code"]) == (503, "dependency_unavailable")
        assert api.stop() == 0


def test_while_draining_health_says_so_and_a_request_under_way_is_answered(
    tmp_path: Path, valkey: RedisServer, s3: S3Server
) -> None:
    with api_process(tmp_path, valkey.url, s3) as api:
        key = _admin_key(valkey)
        slow = request(b"Content-Type: application/json", b"Content-Length: 2", b"x-api-key: " + key.encode())
        with socket.create_connection(api.address, timeout=PATIENCE_S) as under_way:
            under_way.sendall(slow)
            eventually(lambda: _in_flight(api) >= 2)
            api.process.send_signal(signal.SIGTERM)
            eventually(lambda: httpx.get(api.url + "/health", timeout=PATIENCE_S).status_code == 503, within_s=2)
            answer = httpx.get(api.url + "/health", timeout=PATIENCE_S)
            assert answer.json()["code"] == "draining"
            assert answer.headers["connection"] == "close"
            under_way.sendall(b"{}")
            assert under_way.recv(65_536).startswith(b"HTTP/1.1 422")
        assert api.process.wait(PATIENCE_S) == 0


def test_the_grace_has_an_end(tmp_path: Path, valkey: RedisServer, s3: S3Server) -> None:
    with api_process(tmp_path, valkey.url, s3, drain_grace_s=0.2) as api:
        key = _admin_key(valkey)
        slow = request(b"Content-Type: application/json", b"Content-Length: 2", b"x-api-key: " + key.encode())
        with socket.create_connection(api.address, timeout=PATIENCE_S) as under_way:
            under_way.sendall(slow)
            eventually(lambda: _in_flight(api) >= 2)
            assert api.stop(within_s=8) == 0


def _in_flight(api: ApiProcess) -> float:
    """Requests under way, the one that asks included."""
    for line in httpx.get(api.url + "/metrics", timeout=PATIENCE_S).text.splitlines():
        if line.startswith("arqade_http_requests_in_flight "):
            return float(line.split()[1])
    return 0


def _admin_key(redis: RedisServer) -> str:
    """The key of the first admin, made as the command line does."""

    async def make() -> str:
        store = await open_store(redis.url)
        secret = mint(admin=True)
        await bootstrap(store, PEPPER.encode(), secret=secret)
        await store.close()
        return secret

    return asyncio.run(make())


def test_metrics_have_a_port_of_their_own_when_one_is_set(tmp_path: Path, valkey: RedisServer, s3: S3Server) -> None:
    port = free_port()
    with api_process(tmp_path, valkey.url, s3, prometheus_port=port, metrics_public="false") as api:
        eventually(lambda: _status(f"http://127.0.0.1:{port}/ping") == 200)
        assert "arqade_http_requests_total" in httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S).text
        assert _status(f"http://127.0.0.1:{port}/health") == 404
        assert _status(api.url + "/metrics") == 404
        assert api.stop() == 0


def test_only_trusted_proxies_are_believed_about_tls(tmp_path: Path, valkey: RedisServer, s3: S3Server) -> None:
    behind = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
    with api_process(tmp_path, valkey.url, s3, trusted_proxies="127.0.0.1") as api:
        assert "strict-transport-security" in httpx.get(api.url + "/ping", headers=behind, timeout=PATIENCE_S).headers


def test_nobody_else_is(running: ApiProcess) -> None:
    headers = httpx.get(running.url + "/ping", headers={"X-Forwarded-Proto": "https"}, timeout=PATIENCE_S).headers
    assert "strict-transport-security" not in headers


def test_a_websocket_that_leads_nowhere_is_turned_away(running: ApiProcess) -> None:
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    ask = [b"GET /ws/nowhere HTTP/1.1", b"Host: x", b"Upgrade: websocket", b"Connection: Upgrade"]
    with socket.create_connection(running.address, timeout=PATIENCE_S) as connection:
        connection.sendall(b"\r\n".join([*ask, key, b"Sec-WebSocket-Version: 13", b"", b""]))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 403")


def _status(url: str) -> int:
    try:
        return httpx.get(url, timeout=PATIENCE_S).status_code
    except httpx.ConnectError:
        return 0


@pytest.mark.parametrize("chunked", [False, True])
def test_eleven_megabytes_are_answered_with_413_and_nothing_breaks_on_the_way(
    tmp_path: Path, valkey: RedisServer, s3: S3Server, *, chunked: bool
) -> None:
    megabyte = bytes(1024 * 1024)
    with api_process(tmp_path, valkey.url, s3) as api:
        headers = {"Content-Type": "application/json", "x-api-key": _admin_key(valkey)}
        content = iter([megabyte] * 11) if chunked else megabyte * 11
        with httpx.Client(base_url=api.url, headers=headers, timeout=PATIENCE_S) as client:
            answer = client.post("/admin/users", content=content)
            assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
            assert answer.headers["x-ratelimit-remaining"]
            assert client.get("/admin/users").status_code == 200
