from __future__ import annotations

import asyncio

import pytest

from libs.errors import Unavailable
from libs.store import connection as limits
from libs.store.client import Store
from libs.store.replies import ReplyError
from tests.integration.libs.store.opening import NewStore
from tests.integration.libs.store.redis_process import RedisProcess


async def test_ten_thousand_calls_of_64_coroutines_each_get_their_own_reply(redis: Store) -> None:
    async def caller(number: int) -> None:
        for turn in range(157):
            wanted = f"{number}:{turn}"
            assert await redis.call("ECHO", wanted) == wanted.encode()

    await asyncio.gather(*[caller(number) for number in range(64)])


async def test_calls_of_one_turn_leave_in_one_write(redis: Store) -> None:
    async def reads() -> int:
        info = (await redis.call("INFO", "stats")).decode()
        return int(info.partition("total_reads_processed:")[2].split()[0])

    before = await reads()
    await asyncio.gather(*[redis.call("PING") for _ in range(100)])
    assert await reads() - before <= 2  # the pings, and INFO itself


async def test_calls_are_carried_out_in_the_order_they_were_made(redis: Store) -> None:
    pushed = [redis.call("RPUSH", "list", number) for number in range(500)]
    assert await asyncio.gather(*pushed) == list(range(1, 501))
    assert await redis.call("LRANGE", "list", 0, -1) == [str(number).encode() for number in range(500)]


async def test_a_canceled_call_does_not_shift_the_replies_of_others(redis: Store) -> None:
    async def caller(number: int) -> bytes:
        reply: bytes = await redis.call("ECHO", number)
        return reply

    for _ in range(20):
        tasks = [asyncio.create_task(caller(number)) for number in range(30)]
        await asyncio.sleep(0)  # all have issued their command, none has its reply
        for canceled in tasks[::3]:
            canceled.cancel()
        replies = await asyncio.gather(*tasks, return_exceptions=True)
        for number, reply in enumerate(replies):
            if number % 3:
                assert reply == str(number).encode()
            else:
                assert isinstance(reply, asyncio.CancelledError)


async def test_words_may_be_text_bytes_and_numbers(redis: Store) -> None:
    await redis.call("HSET", "key", "é", b"\x00\xff\r\n", "int", -5, "float", 1.5)
    assert await redis.call("HMGET", "key", "é", "int", "float", "none") == [b"\x00\xff\r\n", b"-5", b"1.5", None]


async def test_a_word_of_another_type_is_refused_and_harms_nobody(redis: Store) -> None:
    with pytest.raises(TypeError):
        await redis.call("SET", "key", None)  # type: ignore[arg-type]  # the point of it
    assert await redis.call("ECHO", "fine") == b"fine"


async def test_an_error_reply_fails_its_own_call_only(redis: Store) -> None:
    await redis.call("SET", "text", "x")
    replies = await asyncio.gather(
        redis.call("ECHO", 1), redis.call("INCR", "text"), redis.call("NONSENSE"), redis.call("ECHO", 2),
        return_exceptions=True,
    )  # fmt: skip
    assert [replies[0], replies[3]] == [b"1", b"2"]
    assert [type(reply) for reply in replies[1:3]] == [ReplyError, ReplyError]
    assert redis.outages == 0


async def test_an_error_inside_a_list_is_part_of_the_reply(redis: Store) -> None:
    calls = [redis.call(*words) for words in (("MULTI",), ("SET", "a", 1), ("LPOP", "a"), ("EXEC",))]
    *_, replies = await asyncio.gather(*calls)
    assert replies[0] == b"OK"
    assert replies[1].code == "WRONGTYPE"


async def test_values_of_five_megabytes_go_both_ways_beside_small_ones(redis: Store) -> None:
    big = bytes(range(256)) * (5 * 4096)
    replies = await asyncio.gather(
        *[redis.call("ECHO", big) for _ in range(3)], *[redis.call("ECHO", number) for number in range(50)]
    )
    assert replies == [big] * 3 + [str(number).encode() for number in range(50)]


async def test_no_more_than_the_limit_wait_for_their_replies(redis: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WAITING_MAX", 10)
    replies = await asyncio.gather(*[redis.call("PING") for _ in range(11)], return_exceptions=True)
    assert replies[:10] == [b"PONG"] * 10
    assert isinstance(replies[10], Unavailable)
    assert await redis.call("PING") == b"PONG"


async def test_calls_are_refused_while_too_much_lies_unsent(own_server: RedisProcess, new_store: NewStore) -> None:
    store = await new_store(own_server.url, timeout_s=5)
    own_server.pause()
    big = asyncio.gather(*[store.call("SET", number, bytes(20_000_000)) for number in range(3)])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="too slowly"):
        await store.call("PING")
    own_server.resume()
    assert await big == [b"OK"] * 3
    assert await store.call("PING") == b"PONG"
    assert store.outages == 0
