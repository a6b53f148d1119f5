"""Connections of one's own: blocking commands and channels."""

from __future__ import annotations

import asyncio

import pytest

from libs.errors import Unavailable
from libs.store import subscription as limits
from libs.store.client import Store
from libs.store.subscription import Subscription
from tests.integration.libs.store.opening import NewStore
from tests.integration.libs.store.patience import until
from tests.integration.libs.store.redis_process import RedisProcess
from tests.patience import PATIENCE_S
from tests.run.promises import Prompt


async def test_a_blocking_command_holds_nobody_else_up(redis: Store) -> None:
    async with redis.dedicated() as listener:
        blocked = asyncio.create_task(listener.call("BLPOP", "bell", 5, timeout_s=7))
        assert await redis.call("PING") == b"PONG"
        await redis.call("RPUSH", "bell", "token")
        assert await blocked == [b"bell", b"token"]


async def test_a_blocking_command_may_take_longer_than_others_and_find_nothing(
    new_store: NewStore, redis: Store, shared_server: RedisProcess
) -> None:
    store = await new_store(shared_server.url, timeout_s=0.1)
    async with store.dedicated() as listener:
        assert await listener.call("BLPOP", "bell", 0.4, timeout_s=2) is None


async def test_a_blocking_command_past_its_time_limit_ends_the_connection(
    own_server: RedisProcess, new_store: NewStore, prompt: Prompt
) -> None:
    store = await new_store(own_server.url)
    async with store.dedicated() as listener:
        own_server.pause()
        with prompt(2), pytest.raises(Unavailable, match=r"within 0\.3 s"):
            await listener.call("BLPOP", "bell", 0.1, timeout_s=0.3)
        with pytest.raises(Unavailable):
            await listener.call("PING", timeout_s=1)
    own_server.resume()


async def test_a_blocking_command_fails_when_the_server_is_killed(
    own_server: RedisProcess, new_store: NewStore
) -> None:
    store = await new_store(own_server.url)
    async with store.dedicated() as listener:
        blocked = asyncio.create_task(listener.call("BLPOP", "bell", 5, timeout_s=7))
        await asyncio.sleep(0.05)
        own_server.kill()
        with pytest.raises(Unavailable):
            await blocked


async def test_connections_of_ones_own_are_closed_behind_their_user(redis: Store) -> None:
    for _ in range(5):
        async with redis.dedicated(), redis.subscription() as subscription:
            await subscription.subscribe("news")

    async def only_one_is_left() -> bool:
        return b"connected_clients:1\r\n" in await redis.call("INFO", "clients")

    await until(only_one_is_left)


async def test_messages_arrive_in_order_on_the_channels_that_are_listened_to(redis: Store) -> None:
    async with redis.subscription() as subscription:
        await subscription.subscribe("one", b"two")
        for channel, message in (("one", "1"), ("three", "-"), ("two", "2"), ("one", "3")):
            await redis.call("PUBLISH", channel, message)
        await subscription.unsubscribe("one")
        await redis.call("PUBLISH", "one", "-")
        await redis.call("PUBLISH", "two", "4")
        heard = [await anext(subscription) for _ in range(4)]
    assert heard == [(b"one", b"1"), (b"two", b"2"), (b"one", b"3"), (b"two", b"4")]


async def test_channels_may_change_while_messages_pour_in(redis: Store) -> None:
    async with redis.subscription() as subscription:
        await subscription.subscribe("flood")

        async def flood() -> None:
            for number in range(2_000):
                await redis.call("PUBLISH", "flood", number)

        async def change() -> None:
            for number in range(200):
                await subscription.subscribe(f"other {number}")
                await subscription.unsubscribe(f"other {number}")

        await asyncio.gather(flood(), change())
        heard = [(await anext(subscription))[1] for _ in range(2_000)]
    assert heard == [str(number).encode() for number in range(2_000)]


async def test_what_arrived_before_the_loss_is_read_then_the_loss_is_told(
    own_server: RedisProcess, new_store: NewStore
) -> None:
    store = await new_store(own_server.url)
    async with store.subscription() as subscription:
        await subscription.subscribe("news")
        await store.call("PUBLISH", "news", "last")
        await asyncio.sleep(0.05)
        own_server.kill()
        assert await anext(subscription) == (b"news", b"last")
        for _ in range(2):
            with pytest.raises(Unavailable):
                await anext(subscription)
        with pytest.raises(Unavailable):
            await subscription.subscribe("more")


async def test_a_silent_server_that_hangs_is_noticed(own_server: RedisProcess, new_store: NewStore) -> None:
    store = await new_store(own_server.url, timeout_s=0.2)
    async with store.subscription(ping_s=0.1) as subscription:
        await subscription.subscribe("news")
        await asyncio.sleep(0.3)  # some pings are answered
        own_server.pause()
        with pytest.raises(Unavailable, match="did not answer"):
            async with asyncio.timeout(PATIENCE_S):
                await anext(subscription)
    own_server.resume()


async def test_a_reader_who_falls_too_far_behind_loses_the_subscription(
    redis: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "UNREAD_MAX", 10)
    async with redis.subscription() as subscription:
        await subscription.subscribe("flood")
        await asyncio.gather(*[redis.call("PUBLISH", "flood", number) for number in range(11)])
        assert [(await anext(subscription))[1] for _ in range(10)] == [str(number).encode() for number in range(10)]
        with pytest.raises(Unavailable, match="too slowly"):
            await anext(subscription)


async def test_closing_a_subscription_wakes_its_reader(redis: Store) -> None:
    async def read(subscription: Subscription) -> None:
        async for _ in subscription:
            pass

    async with redis.subscription() as subscription:
        reading = asyncio.create_task(read(subscription))
        await asyncio.sleep(0.01)
    with pytest.raises(Unavailable, match="closed"):
        await reading
