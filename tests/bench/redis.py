"""The Redis of a measurement: the embedded Valkey without an append-only file, or the one ARQADE_TEST_REDIS names."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from tests.servers import RedisServer, redis_server

__all__ = ["Commands", "fresh_redis", "info", "watched_commands"]


@contextmanager
def fresh_redis(**options: str) -> Iterator[tuple[RedisServer, Path]]:
    """An empty server, and its folder, which goes with it."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        redis_server(Path(folder), **{"appendonly": "no", **options}) as server,
    ):
        yield server, Path(folder)


def info(server: RedisServer, section: str) -> dict[str, object]:
    """What INFO says."""
    with Redis.from_url(server.url) as client:
        return dict(client.info(section))  # type: ignore[arg-type, unused-ignore]


@dataclass(slots=True)
class Commands:
    """How many commands clients sent, and how many more their scripts called."""

    sent: int = 0
    in_scripts: int = 0


@contextmanager
def watched_commands(server: RedisServer) -> Iterator[Commands]:
    """Count them by MONITOR, for as long as the block lasts; it slows Redis down, so nothing else is measured."""
    counted = Commands()
    with Redis.from_url(server.url) as client, client.monitor() as monitor:
        yield counted
        with Redis.from_url(server.url) as other:
            other.echo("the end")
        while (command := monitor.next_command())["command"] != "ECHO the end":
            if command["client_type"] == "lua":
                counted.in_scripts += 1
            else:
                counted.sent += 1
