"""Real servers for tests: the embedded ones, or the Redis that ARQADE_TEST_REDIS names."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from libs.embedded.objects import objects as objects_part
from libs.embedded.part import Part, wait_until_answering
from libs.embedded.ports import free_port
from libs.embedded.process import Child
from libs.embedded.valkey import valkey as valkey_part
from libs.store.client import Store
from libs.store.keyspace import Keyspace
from tests.patience import PATIENCE_S

__all__ = ["Life", "RedisServer", "S3Server", "life_of", "open_store", "redis_server", "running", "s3_server"]


@dataclass(frozen=True)
class RedisServer:
    """A running Valkey, or the Redis that ARQADE_TEST_REDIS names. `child` may be killed by a test that restarts it."""

    port: int
    password: str
    part: Part
    child: Child

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def call(self, *command: str) -> bytes:
        """One command over a connection of its own; the raw reply, up to 64 KiB of it."""
        lines = [f"AUTH {self.password}", " ".join(command), "QUIT", ""]
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            connection.sendall("\r\n".join(lines).encode())
            reply = b"".join(iter(lambda: connection.recv(65_536), b""))
        return reply.removeprefix(b"+OK\r\n").removesuffix(b"+OK\r\n").removesuffix(b"\r\n")

    def flush(self) -> None:
        """Empty it: keys, scripts and functions."""
        assert self.call("FLUSHALL") == b"+OK"
        assert self.call("SCRIPT", "FLUSH") == b"+OK"


@dataclass(frozen=True)
class S3Server:
    """A running S3 server: what a client needs to reach it."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    folder: Path
    part: Part
    child: Child

    def forget(self, name: str) -> None:
        """Remove one object, if it is there."""
        (self.folder / "buckets" / self.bucket / name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove every object; the server reads its folders anew."""
        for entry in (self.folder / "buckets" / self.bucket).iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


class Life:
    """A server's life in the hands of a test: it is killed or hangs, and comes back with what it has written down."""

    def __init__(self, server: RedisServer | S3Server) -> None:
        self._part = server.part
        self._child = server.child

    @contextmanager
    def killed(self) -> Iterator[None]:
        """Not there for a while."""
        self._child.kill()
        try:
            yield
        finally:
            self._child = self._part.spawn()
            wait_until_answering(self._part, self._child)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """There, and silent, for a while."""
        os.kill(self._child.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._child.pid, signal.SIGCONT)

    def end(self) -> None:
        """Kill whatever lives now."""
        self._child.kill()


@contextmanager
def life_of(server: RedisServer | S3Server) -> Iterator[Life]:
    """A server whose test may kill it; ended at the end."""
    life = Life(server)
    try:
        yield life
    finally:
        life.end()


@contextmanager
def running(part: Part) -> Iterator[Child]:
    """Start a part, wait until it answers, end it."""
    child = part.spawn()
    try:
        wait_until_answering(part, child)
        yield child
    finally:
        child.stop(part.grace_s)


async def open_store(url: str, prefix: str = "arqade") -> Store:
    """A store that waits for as long as a busy machine takes; a test whose subject is its time limit opens its own."""
    return await Store.open(url, Keyspace.with_prefix(prefix), timeout_s=PATIENCE_S)


@contextmanager
def redis_server(folder: Path, program: Path | None = None, /, **options: str) -> Iterator[RedisServer]:
    """A Redis of its own for a test that stops, slows or fills it; `options` are lines of its config (_ for -).

    `program` is run instead of the server that the tests use.
    """
    named = program or os.environ.get("ARQADE_TEST_REDIS")
    port, password = free_port(), secrets.token_hex(16)
    part = valkey_part(
        folder / "valkey",
        port=port,
        password=password,
        log=folder / "valkey.log",
        pid_file=folder / "valkey.pid",
        binary=Path(named) if named else None,
        options={"enable-debug-command": "local", **{name.replace("_", "-"): text for name, text in options.items()}},
    )
    with running(part) as child:
        yield RedisServer(port, password, part, child)


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """An S3 server of its own for a test that stops it."""
    port = free_port()
    access_key, secret_key = secrets.token_hex(10), secrets.token_hex(20)
    part = objects_part(
        folder / "objects",
        port=port,
        access_key=access_key,
        secret_key=secret_key,
        bucket="arqade",
        log=folder / "objects.log",
        pid_file=folder / "objects.pid",
    )
    with running(part) as child:
        yield S3Server(f"127.0.0.1:{port}", access_key, secret_key, "arqade", folder / "objects", part, child)
