from __future__ import annotations

import asyncio
from dataclasses import fields

import pytest

from libs.store.client import Store
from libs.store.replies import ReplyError
from libs.store.script import Script

ECHO = Script("echo", "return {KEYS[1], ARGV[1], ARGV[2], ARGV[3]}")


async def test_a_script_is_loaded_the_first_time_and_when_redis_forgot_it(redis: Store) -> None:
    for _ in range(2):
        assert await redis.run(ECHO, ["k"], ["é", 5, b"\x00"]) == [b"k", "é".encode(), b"5", b"\x00"]
        await redis.call("SCRIPT", "FLUSH")


async def test_many_callers_at_once_may_find_the_script_forgotten(redis: Store) -> None:
    count = Script("count", "return redis.call('INCR', KEYS[1])")
    replies = await asyncio.gather(*[redis.run(count, ["count"]) for _ in range(64)])
    assert sorted(replies) == list(range(1, 65))


async def test_the_digest_is_the_one_redis_gives(redis: Store) -> None:
    for script in (ECHO, Script("echo", ECHO.text, allow_oom=True)):
        assert await redis.call("SCRIPT", "LOAD", script.body(redis.keys)) == script.digest(redis.keys).encode()


@pytest.mark.parametrize("allow_oom", [False, True])
async def test_every_key_has_the_same_name_in_lua_and_in_python(redis: Store, allow_oom: bool) -> None:
    text = "local all = {}\nfor name, head in pairs(KEY) do all[#all + 1] = name .. ' ' .. head end\nreturn all"
    said = dict(pair.decode().split(" ") for pair in await redis.run(Script("keys", text, allow_oom=allow_oom)))
    assert said == {field.name: getattr(redis.keys, field.name) for field in fields(redis.keys)}


@pytest.mark.parametrize("allow_oom", [False, True])
@pytest.mark.parametrize(
    "text, where",
    [
        ("local a = 1\n\nreturn nonsense.field\n", "broken:3"),
        ("local a = 1\nlocal = 2\n", "broken:2"),
        ("return redis.call('SET', 'a')", "broken"),
        ("return redis.error_reply('ERR on purpose')", "broken"),
    ],
)
async def test_an_error_of_a_script_says_which_and_where(redis: Store, text: str, where: str, allow_oom: bool) -> None:
    for _ in range(2):  # when it is loaded, and when it is known
        with pytest.raises(ReplyError, match=where) as raised:
            await redis.run(Script("broken", text, allow_oom=allow_oom))
        assert raised.value.code == "ERR"
        assert "user_script" not in str(raised.value)


async def test_a_script_under_way_when_its_caller_gives_up_harms_nobody(redis: Store) -> None:
    calls = [asyncio.create_task(redis.run(ECHO, ["k"], [number, 0, 0])) for number in range(20)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    replies = await asyncio.gather(*calls[1::2])
    assert [int(reply[1]) for reply in replies] == list(range(1, 20, 2))
