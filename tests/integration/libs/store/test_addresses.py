"""The ways to a Redis: each form of REDIS_URL, on the real thing."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from libs.embedded.ports import free_port
from libs.errors import Unavailable
from libs.store.client import Store
from tests.fakes.parts import need
from tests.integration.libs.store.opening import NewStore, StartServer
from tests.integration.libs.store.patience import succeeds, until
from tests.integration.libs.store.redis_process import RedisProcess, binary_of, running
from tests.patience import PATIENCE_S


async def test_a_unix_socket_with_a_database_and_a_password(
    start: StartServer, tmp_path: Path, new_store: NewStore
) -> None:
    start(unixsocket="redis.sock", requirepass="s3cret/@:#")
    store = await new_store(f"unix://:s3cret%2F%40%3A%23@{tmp_path}/redis.sock?db=3")
    assert await store.call("SET", "key", "value") == b"OK"
    assert b"db3:keys=1" in await store.call("INFO", "keyspace")


async def test_a_user_with_a_password_and_a_database(own_server: RedisProcess, new_store: NewStore) -> None:
    store = await new_store(own_server.url)
    await store.call("ACL", "SETUSER", "arq", "on", ">pass word", "~*", "+@all")
    other = await new_store(f"redis://arq:pass%20word@127.0.0.1:{own_server.port}/5")
    assert await other.call("ACL", "WHOAMI") == b"arq"
    assert b" db=5 " in await other.call("CLIENT", "INFO")


async def test_a_connection_says_who_it_is_unless_that_is_forbidden(
    own_server: RedisProcess, new_store: NewStore
) -> None:
    store = await new_store(own_server.url)
    assert await store.call("CLIENT", "GETNAME") == b"arqade"
    await store.call("ACL", "SETUSER", "mute", "on", ">x", "~*", "+@all", "-client")
    mute = await new_store(f"redis://mute:x@127.0.0.1:{own_server.port}")
    assert await mute.call("PING") == b"PONG"


async def test_a_database_that_does_not_exist_is_refused_at_once(own_server: RedisProcess, new_store: NewStore) -> None:
    with pytest.raises(Unavailable, match="out of range"):
        await new_store(f"redis://127.0.0.1:{own_server.port}/999")


# TLS


@dataclass(frozen=True)
class Secure:
    port: int
    ca: Path
    stranger: Path


def _certificate(folder: Path, name: str, subject: str) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", f"/CN={subject}", "-addext", f"subjectAltName=DNS:{subject}"]
    command += ["-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.crt"]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Secure]:
    binary = binary_of("redis")
    need("a Redis that speaks TLS", found=binary is not None, how="apt-get install redis-server")
    need("openssl", found=shutil.which("openssl") is not None, how="apt-get install openssl")
    assert binary is not None
    _certificate(tmp_path, "server", "localhost")
    _certificate(tmp_path, "stranger", "localhost")
    files = {"tls_cert_file": "server.crt", "tls_key_file": "server.key", "tls_ca_cert_file": "server.crt"}
    files = {name: str(tmp_path / file) for name, file in files.items()}
    port = free_port()
    with running(binary, tmp_path, tls_port=str(port), tls_auth_clients="no", requirepass="x", **files):
        yield Secure(port, tmp_path / "server.crt", tmp_path / "stranger.crt")


async def test_tls_with_a_certificate_that_is_known(secure: Secure, new_store: NewStore) -> None:
    store = await new_store(f"rediss://:x@localhost:{secure.port}/2?ssl_ca_certs={secure.ca}")
    big = bytes(5_000_000)
    replies = await asyncio.gather(*[store.call("ECHO", number) for number in range(200)], store.call("ECHO", big))
    assert replies == [*[str(number).encode() for number in range(200)], big]
    async with store.subscription() as subscription, store.dedicated() as listener:
        await subscription.subscribe("news")
        await listener.call("PUBLISH", "news", "x", timeout_s=1)
        assert await anext(subscription) == (b"news", b"x")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_tls_without_checks_when_so_asked(secure: Secure, new_store: NewStore, host: str) -> None:
    store = await new_store(f"rediss://:x@{host}:{secure.port}?ssl_cert_reqs=none")
    assert await store.call("PING") == b"PONG"


async def test_tls_refuses_a_stranger_and_another_name(secure: Secure, new_store: NewStore) -> None:
    for url in (
        f"rediss://:x@localhost:{secure.port}",
        f"rediss://:x@localhost:{secure.port}?ssl_ca_certs={secure.stranger}",
        f"rediss://:x@127.0.0.1:{secure.port}?ssl_ca_certs={secure.ca}",
    ):
        with pytest.raises(Unavailable, match="certificate verify failed"):
            await new_store(url)
    store = await new_store(f"rediss://:x@127.0.0.1:{secure.port}?ssl_ca_certs={secure.ca}&ssl_check_hostname=false")
    assert await store.call("PING") == b"PONG"


async def test_tls_says_which_setting_names_a_missing_file(secure: Secure, new_store: NewStore) -> None:
    with pytest.raises(Unavailable, match="ssl_ca_certs"):
        await new_store(f"rediss://:x@localhost:{secure.port}?ssl_ca_certs=/nonexistent")


async def test_plain_text_to_a_tls_port_and_tls_to_a_plain_one_are_refused(
    secure: Secure, own_server: RedisProcess, new_store: NewStore
) -> None:
    for url in (f"redis://:x@localhost:{secure.port}", f"rediss://127.0.0.1:{own_server.port}?ssl_cert_reqs=none"):
        with pytest.raises(Unavailable):
            await new_store(url, timeout_s=0.4)


# Sentinel


@dataclass(frozen=True)
class Watched:
    primary: RedisProcess
    replica: RedisProcess
    sentinel: RedisProcess
    url: str


@pytest.fixture
def watched(start: StartServer, flavour: str, tmp_path: Path) -> Iterator[Watched]:
    """A primary, its replica and a sentinel that notices within half a second."""
    primary = start(requirepass="x", masterauth="x", repl_diskless_sync_delay="0")
    replica = start(requirepass="x", masterauth="x", replicaof=f"127.0.0.1 {primary.port}")
    binary = binary_of(flavour)
    assert binary is not None
    sentinel = RedisProcess(binary, tmp_path, {
        "sentinel monitor": f"main 127.0.0.1 {primary.port} 1",
        "sentinel auth-pass": "main x",
        "sentinel down-after-milliseconds": "main 500",
        "sentinel failover-timeout": "main 2000",
        "requirepass": "sentinel-x",
    })  # fmt: skip
    with ExitStack() as stack:
        stack.callback(sentinel.kill)
        sentinel.start("--sentinel")
        nobody = free_port()
        hosts = f"127.0.0.1:{nobody},127.0.0.1:{sentinel.port}"
        yield Watched(primary, replica, sentinel, f"redis+sentinel://:x@{hosts}/main/0?sentinel_password=sentinel-x")


async def _until_replicated(store: Store) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await store.call("WAIT", 1, 100)) < 1 or b"slave0:" not in await store.call("INFO", "replication"):
            await store.call("INCR", "ticks")


async def _until_watched(sentinel: Store) -> None:
    async def sees_the_replica() -> bool:
        return bool(await sentinel.call("SENTINEL", "replicas", "main"))

    await until(sees_the_replica)


async def test_a_failover_is_followed(watched: Watched, new_store: NewStore) -> None:
    store = await new_store(watched.url)
    await store.call("SET", "key", "value")
    await _until_replicated(store)
    await _until_watched(await new_store(f"redis://:sentinel-x@127.0.0.1:{watched.sentinel.port}"))

    watched.primary.kill()
    await until(lambda: succeeds(store, "SET", "after", "failover"))
    assert await store.call("GET", "key") == b"value"
    assert f"tcp_port:{watched.replica.port}".encode() in await store.call("INFO", "server")
    assert store.outages >= 1


async def test_sentinels_that_know_no_such_service_or_do_not_answer(watched: Watched, new_store: NewStore) -> None:
    with pytest.raises(Unavailable, match="no such service"):
        await new_store(watched.url.replace("/main/", "/other/"))
    with pytest.raises(Unavailable, match="NOAUTH"):
        await new_store(watched.url.partition("?")[0])
    watched.sentinel.pause()
    with pytest.raises(Unavailable, match="no primary found for main of the sentinels"):
        await new_store(watched.url, timeout_s=0.8)
    watched.sentinel.resume()
