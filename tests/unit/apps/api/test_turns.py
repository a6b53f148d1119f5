from __future__ import annotations

import asyncio

from apps.api.turns import Turns


async def test_requests_of_one_user_go_one_after_the_other_and_others_do_not_wait() -> None:
    turns, within, most = Turns(), 0, 0
    free = asyncio.Event()

    async def work(user: str) -> None:
        nonlocal within, most
        async with turns.of(user):
            if user == "a":
                within += 1
                most = max(most, within)
                await free.wait()
                within -= 1

    waiting = [asyncio.create_task(work("a")) for _ in range(5)]
    await asyncio.sleep(0)
    await work("b")
    assert (within, len(turns)) == (1, 1)
    free.set()
    await asyncio.gather(*waiting)
    assert (most, len(turns)) == (1, 0)


async def test_who_goes_away_while_waiting_leaves_nothing_behind() -> None:
    turns = Turns()
    async with turns.of("a"):
        waiting = asyncio.create_task(turns.of("a").__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert len(turns) == 0
    async with turns.of("a"):
        pass
