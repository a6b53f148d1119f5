"""The server as a process starts it: who may connect how often, under which name, and from which address."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import httpx
import pytest

from libs.access.api_key import DEFAULT_SCOPES, digest, mint
from libs.access.api_keys import bootstrap, create_api_key
from libs.access.users import create_user
from tests.fakes.api import PEPPER, ApiProcess, api_process, bearer
from tests.fakes.callers import make_caller, submit
from tests.fakes.processes import eventually
from tests.patience import PATIENCE_S
from tests.servers import RedisServer, S3Server, open_store


def connect(api: ApiProcess) -> socket.socket:
    return socket.create_connection(api.address, timeout=PATIENCE_S)


def answers(connection: socket.socket) -> bytes:
    connection.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
    told = b""
    while not told.endswith(b"}") and (chunk := connection.recv(65_536)):
        told += chunk
    return told


def upgraded(connection: socket.socket, path: str = "/ws/nowhere", secret: str = "none") -> bytes:
    """Make a WebSocket of it; nobody lets it in at the path that is none."""
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    ask = [b"GET %b HTTP/1.1" % path.encode(), b"Host: x", b"Upgrade: websocket", b"Connection: Upgrade", key]
    connection.sendall(b"\r\n".join([*ask, b"X-API-Key: " + secret.encode(), b"Sec-WebSocket-Version: 13", b"", b""]))
    return connection.recv(65_536)


def test_an_address_has_so_many_connections_and_is_told_of_one_too_many(
    tmp_path: Path, valkey: RedisServer, s3: S3Server
) -> None:
    with api_process(tmp_path, valkey.url, s3, connections_per_address=3) as api, contextlib.ExitStack() as opened:
        several = [opened.enter_context(connect(api)) for _ in range(3)]
        assert all(answers(connection).startswith(b"HTTP/1.1 200") for connection in several)
        with connect(api) as one_too_many:
            told = b"".join(iter(lambda: one_too_many.recv(65_536), b""))
        assert told.startswith(b"HTTP/1.1 429")
        assert b'"code":"rate_limited"' in told
        assert b"retry-after" in told.lower()
        several[0].close()
        eventually(lambda: is_let_in(api))
        assert answers(several[1]).startswith(b"HTTP/1.1 200")


def is_let_in(api: ApiProcess) -> bool:
    with connect(api) as connection, contextlib.suppress(OSError):
        return answers(connection).startswith(b"HTTP/1.1 200")
    return False


def test_a_connection_that_becomes_a_socket_is_given_back(tmp_path: Path, valkey: RedisServer, s3: S3Server) -> None:
    with api_process(tmp_path, valkey.url, s3, connections_per_address=2) as api:
        for _ in range(6):
            with connect(api) as connection:
                assert not upgraded(connection).startswith(b"HTTP/1.1 429")
            eventually(lambda: is_let_in(api))


def test_a_socket_counts_as_long_as_it_is_open(tmp_path: Path, valkey: RedisServer, s3: S3Server) -> None:
    secret, job_id = asyncio.run(make_job(valkey))
    with api_process(tmp_path, valkey.url, s3, connections_per_address=2) as api, contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(connect(api)) for _ in range(2)]
        for connection in sockets:
            assert upgraded(connection, f"/ws/jobs/{job_id}", secret).startswith(b"HTTP/1.1 101")
        assert not is_let_in(api)
        sockets[0].close()
        eventually(lambda: is_let_in(api))


async def make_job(valkey: RedisServer) -> tuple[str, str]:
    """A user's key, and a job of theirs that waits."""
    store = await open_store(valkey.url)
    try:
        user = await create_user(store, "someone@example.com", "internal")
        _, secret = await create_api_key(
            store, PEPPER.encode(), user_id=user.id, name="x", scopes=DEFAULT_SCOPES, lives_s=60
        )
        return secret, (await submit(store, make_caller(user_id=user.id))).job_id
    finally:
        await store.close()


def test_trusted_proxies_may_have_as_many_as_they_like(tmp_path: Path, valkey: RedisServer, s3: S3Server) -> None:
    changes = {"connections_per_address": 1, "trusted_proxies": "127.0.0.0/8"}
    with api_process(tmp_path, valkey.url, s3, **changes) as api, contextlib.ExitStack() as opened:
        several = [opened.enter_context(connect(api)) for _ in range(5)]
        assert all(answers(connection).startswith(b"HTTP/1.1 200") for connection in several)


def test_only_hosts_that_are_allowed_are_answered_for_but_probes_are(
    tmp_path: Path, valkey: RedisServer, s3: S3Server
) -> None:
    with api_process(tmp_path, valkey.url, s3, allowed_hosts="api.example.com,*.example.org") as api:

        def ask(host: str, path: str = "/api/v1/me") -> httpx.Response:
            return httpx.get(api.url + path, headers={"Host": host}, timeout=PATIENCE_S)

        for host in ("api.example.com", "API.example.com:8000", "a.b.example.org"):
            assert ask(host).status_code == 401
        for host in ("evil.example", "example.org", "127.0.0.1"):
            answer = ask(host)
            assert (answer.status_code, answer.json()["code"]) == (421, "misdirected_request")
            assert answer.headers["x-request-id"]
        assert ask("127.0.0.1", "/health").status_code == 200


@pytest.mark.parametrize("trusted", [False, True])
def test_failures_are_those_of_the_address_that_a_trusted_proxy_names_and_of_no_other(
    tmp_path: Path, valkey: RedisServer, s3: S3Server, *, trusted: bool
) -> None:
    changes = {"trusted_proxies": "127.0.0.1"} if trusted else {}
    with (
        api_process(tmp_path, valkey.url, s3, **changes) as api,
        httpx.Client(base_url=api.url, timeout=PATIENCE_S) as client,
    ):

        def ask(address: str) -> int:
            headers = bearer(mint()) | {"X-Forwarded-For": address}
            return client.get("/api/v1/me", headers=headers).status_code

        assert {ask(f"192.0.2.{1 if trusted else n}") for n in range(20)} == {401}
        assert ask("192.0.2.1") == 429
        assert ask("198.51.100.1") == (401 if trusted else 429)


def test_what_was_noted_is_written_before_the_process_ends(tmp_path: Path, valkey: RedisServer, s3: S3Server) -> None:
    secret = mint(admin=True)

    async def with_store(act: str) -> bytes | None:
        store = await open_store(valkey.url)
        try:
            if act == "make":
                await bootstrap(store, PEPPER.encode(), secret=secret)
                return None
            used: bytes | None = await store.call("HGET", store.keys.api_key + digest(secret, PEPPER.encode()), "used")
            return used
        finally:
            await store.close()

    asyncio.run(with_store("make"))
    with api_process(tmp_path, valkey.url, s3) as api:
        assert httpx.get(api.url + "/api/v1/me", headers=bearer(secret), timeout=PATIENCE_S).status_code == 200
        assert api.stop() == 0
    assert asyncio.run(with_store("look"))
