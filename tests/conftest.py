"""Fixtures for everyone: real servers, started once a session, emptied before each test.

A session is one process of pytest-xdist: each has servers of its own, and one test at a time that uses them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from libs.store.client import Store
from tests.run import profiles
from tests.servers import RedisServer, S3Server, open_store, redis_server, s3_server
from tests.strict import strict_server
from tests.system import System, running_system

__all__ = ["RedisServer", "S3Server", "redis_server", "s3_server"]

pytest_plugins = ["tests.run.hangs", "tests.run.order", "tests.run.promises", "tests.run.skips"]

profiles.set_up()


def pytest_configure() -> None:
    """A shell that runs us in the background ignores SIGINT, and so would every process that a test interrupts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two for each processor: most of the time a test waits for what it has started."""
    return 2 * (os.cpu_count() or 2)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def valkey_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("valkey session")) as server:
        yield server


@pytest.fixture
def valkey(valkey_session: RedisServer) -> RedisServer:
    """The session's Redis server, empty."""
    valkey_session.flush()
    return valkey_session


@pytest.fixture
async def store(valkey: RedisServer) -> AsyncIterator[Store]:
    """A store on the session's Redis, which is empty."""
    opened = await open_store(valkey.url)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """The session's S3 server. Its bucket is shared: use names of your own."""
    with s3_server(tmp_path_factory.mktemp("s3 session")) as server:
        yield server


@pytest.fixture(scope="session")
def strict_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """The session's strict S3 server; its bucket is shared."""
    with strict_server(tmp_path_factory.mktemp("strict s3 session")) as server:
        yield server


@pytest.fixture(params=["s3", "strict_s3"], ids=["embedded", "strict"])
def each_s3(request: pytest.FixtureRequest) -> S3Server:
    """One S3 server after the other. The bucket of the strict one is made by whoever opens it."""
    server: S3Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """What `arqade up` starts: its URL, the admin's key, keys for new users. Shared: use users of your own."""
    with running_system(tmp_path_factory.mktemp("system of the session")) as started:
        yield started
