"""What is no Redis, or behaves like none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from libs.embedded.ports import free_port
from libs.errors import Unavailable
from libs.store.client import Store
from libs.store.keyspace import Keyspace
from libs.store.url import parse_url
from tests.integration.libs.store.opening import NewStore
from tests.integration.libs.store.patience import succeeds, until
from tests.integration.libs.store.redis_process import RedisProcess
from tests.patience import PATIENCE_S
from tests.run.promises import Prompt

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
KEYS = Keyspace.with_prefix("")


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Talk], Awaitable[str]]]:
    """Serves whatever a test says; the URL to find it."""
    async with AsyncExitStack() as stack:

        async def serve(talk: Talk) -> str:
            async def until_done(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                try:
                    await talk(reader, writer)
                except (ConnectionError, asyncio.IncompleteReadError):
                    pass
                finally:
                    writer.close()

            server = await stack.enter_async_context(await asyncio.start_server(until_done, "127.0.0.1", 0))
            return f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        yield serve


Serve = Callable[[Talk], Awaitable[str]]


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Agree to the name that a client gives itself."""
    await reader.readuntil(b"arqade\r\n")
    writer.write(b"+OK\r\n")


@pytest.mark.parametrize(
    "said, why",
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "garbage"),
        (b"-ERR max number of clients reached\r\n", "max number of clients"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "is loading its data"),
        (b"", "broke"),
        (b"$100\r\nhalf", "broke"),
    ],
)
async def test_a_server_that_turns_us_away_is_away(serve: Serve, said: bytes, why: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"arqade\r\n")
        writer.write(said)

    with pytest.raises(Unavailable, match=why):
        await Store.open(await serve(talk), KEYS)


async def test_a_server_that_accepts_and_says_nothing_is_away_after_one_timeout(serve: Serve, prompt: Prompt) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    with prompt(2), pytest.raises(Unavailable, match=r"did not answer within 0\.2 s"):
        await Store.open(await serve(talk), KEYS, timeout_s=0.2)


async def test_garbage_in_the_middle_fails_what_waits_and_the_next_connection_works(serve: Serve) -> None:
    garbage = iter([b"+fine\r\n\x00\x01nonsense\r\n", b"+fine\r\n"])

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        await reader.readuntil(b"PING\r\n")
        writer.write(next(garbage))
        await reader.read()

    store = await Store.open(await serve(talk), KEYS, timeout_s=PATIENCE_S)
    replies = await asyncio.gather(store.call("PING"), store.call("PING"), return_exceptions=True)
    assert replies[0] == b"fine"
    assert isinstance(replies[1], Unavailable)
    assert await store.call("PING") == b"fine"
    assert store.outages == 1
    await store.close()


async def test_a_reply_that_nobody_asked_for_ends_the_connection(serve: Serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+PONG\r\n+surprise\r\n")
        await reader.read()

    store = await Store.open(await serve(talk), KEYS, timeout_s=PATIENCE_S)
    assert await store.call("PING") == b"PONG"
    assert store.outages == 1
    await store.close()


async def test_the_time_limit_is_each_command_s_own_not_one_for_any_progress(serve: Serve, prompt: Prompt) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        while True:
            await asyncio.sleep(0.2)
            writer.write(b"+drip\r\n")
            await writer.drain()

    store = await Store.open(await serve(talk), KEYS, timeout_s=2)
    with prompt(5):  # each drip within the limit: 8
        replies = await asyncio.gather(*[store.call("PING") for _ in range(40)], return_exceptions=True)
    assert replies[0] == b"drip"
    assert isinstance(replies[-1], Unavailable)
    await store.close()


async def test_a_connection_that_breaks_with_the_greeting_is_not_taken_for_a_working_one(serve: Serve) -> None:
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"arqade\r\n")
        writer.write(b"+OK\r\n+surprise\r\n" if connections <= 3 else b"+OK\r\n")
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+PONG\r\n")
        await reader.read()

    store = Store(parse_url(await serve(talk)), KEYS, timeout_s=PATIENCE_S)
    await until(lambda: succeeds(store, "PING"))
    assert store.outages == 0
    await store.close()


async def test_a_sentinel_that_still_names_a_replica_is_not_believed(
    serve: Serve, own_server: RedisProcess, new_store: NewStore
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        await reader.readuntil(b"main\r\n")
        port = str(own_server.port)
        writer.write(f"*2\r\n$9\r\n127.0.0.1\r\n${len(port)}\r\n{port}\r\n".encode())
        await reader.read()

    url = (await serve(talk)).replace("redis://", "redis+sentinel://") + "/main"
    store = await new_store(own_server.url)
    await store.call("REPLICAOF", "127.0.0.1", free_port())
    with pytest.raises(Unavailable, match="no primary any more"):
        await new_store(url)
    await store.call("REPLICAOF", "NO", "ONE")
    assert await (await new_store(url)).call("PING") == b"PONG"


async def test_callers_share_one_attempt_to_connect(serve: Serve) -> None:
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await greet(reader, writer)
        for _ in range(50):
            await reader.readuntil(b"PING\r\n")
            writer.write(b"+PONG\r\n")
        await reader.read()

    store = Store(parse_url(await serve(talk)), KEYS, timeout_s=PATIENCE_S)
    assert await asyncio.gather(*[store.call("PING") for _ in range(50)]) == [b"PONG"] * 50
    assert connections == 1
    await store.close()


async def test_a_caller_who_gives_up_does_not_end_the_attempt_that_others_wait_for(serve: Serve) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.03)
        await greet(reader, writer)
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+PONG\r\n")
        await reader.read()

    store = Store(parse_url(await serve(talk)), KEYS, timeout_s=PATIENCE_S)
    first, second = [asyncio.ensure_future(store.call("PING")) for _ in range(2)]
    await asyncio.sleep(0.01)
    first.cancel()
    assert await second == b"PONG"
    await store.close()
