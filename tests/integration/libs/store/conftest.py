"""Each test runs on Valkey, and on Redis 7.0 where it is installed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from libs.store.client import Store
from libs.store.keyspace import Keyspace
from tests.fakes.parts import need
from tests.integration.libs.store.opening import NewStore, StartServer
from tests.integration.libs.store.redis_process import FLAVOURS, RedisProcess, binary_of, running
from tests.patience import PATIENCE_S
from tests.servers import open_store


@pytest.fixture(scope="session", params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> str:
    need(request.param, found=binary_of(request.param) is not None, how="apt-get install redis-server")
    return str(request.param)


@pytest.fixture(scope="session")
def anyio_backend(flavour: str) -> tuple[str, dict[str, bool]]:
    """Valkey is spoken to from uvloop, Redis from asyncio's own loop: both matter, each with each does not."""
    return "asyncio", {"use_uvloop": flavour == "valkey"}


@pytest.fixture(scope="session")
def shared_server(flavour: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with running(flavour, tmp_path_factory.mktemp(flavour), enable_debug_command="local") as server:
        yield server


@pytest.fixture
async def redis(shared_server: RedisProcess) -> AsyncIterator[Store]:
    """A store on a server that is shared, empty."""
    store = await open_store(shared_server.url)
    await store.call("FLUSHALL")
    await store.call("SCRIPT", "FLUSH")
    yield store
    await store.close()


@pytest.fixture
def start(flavour: str, tmp_path: Path) -> Iterator[StartServer]:
    """Starts a server of the test's own, with lines of its config."""
    with ExitStack() as stack:
        yield lambda *flags, **options: stack.enter_context(running(flavour, tmp_path, *flags, **options))


@pytest.fixture
def own_server(start: StartServer) -> RedisProcess:
    """A server of the test's own, to be ill-treated."""
    return start()


@pytest.fixture
async def new_store() -> AsyncIterator[NewStore]:
    """Opens stores, and closes them when the test is over."""
    opened: list[Store] = []

    async def new(url: str, *, timeout_s: float = PATIENCE_S) -> Store:
        opened.append(await Store.open(url, Keyspace.with_prefix("arqade"), timeout_s=timeout_s))
        return opened[-1]

    yield new
    for store in opened:
        await store.close()
