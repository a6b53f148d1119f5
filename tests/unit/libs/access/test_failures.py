from __future__ import annotations

import asyncio

import pytest

from libs.access.failures import Failures


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def failing(clock: Clock, **changes: int) -> Failures:
    return Failures(pause_s=0, clock=clock, **changes)


async def codes(failures: Failures, sender: str, times: int) -> list[str]:
    return [(await failures.refuse(sender)).code for _ in range(times)]


async def test_the_twenty_first_in_a_minute_is_told_when_to_come_back() -> None:
    clock = Clock()
    failures = failing(clock)
    for n in range(20):
        clock.now = n * 2.0
        assert await codes(failures, "a", 1) == ["invalid_token"]
    refusal = await failures.refuse("a")
    assert (refusal.code, refusal.retry_after_s) == ("rate_limited", 60 - 38)
    assert await codes(failures, "b", 1) == ["invalid_token"]
    clock.now = 59.9
    assert await codes(failures, "a", 1) == ["rate_limited"]
    clock.now = 60.0
    assert await codes(failures, "a", 1) == ["invalid_token"]


async def test_the_count_begins_anew_after_the_minute() -> None:
    clock = Clock()
    failures = failing(clock)
    await codes(failures, "a", 19)
    clock.now = 61.0
    assert await codes(failures, "a", 20) == ["invalid_token"] * 20


@pytest.mark.parametrize("senders_max", [1, 10])
async def test_what_is_remembered_is_bounded_and_the_oldest_goes_first(senders_max: int) -> None:
    failures = failing(Clock(), senders_max=senders_max)
    for n in range(30):
        await codes(failures, str(n), 20)
    remembered = [n for n in range(29, -1, -1) if await codes(failures, str(n), 1) == ["rate_limited"]]
    assert remembered == list(range(29, 29 - senders_max, -1))[: len(remembered)]
    assert remembered


async def test_whoever_fails_often_waits_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    failures = Failures(pause_s=1.5, clock=Clock())
    await codes(failures, "a", 30)
    assert waited == pytest.approx([n / 10 for n in range(1, 16)] + [1.5] * 10)


async def test_only_so_many_of_one_sender_wait_at_a_time() -> None:
    failures = Failures(pause_s=60, clock=Clock())
    asked = [asyncio.create_task(failures.refuse("a")) for _ in range(100)]
    await asyncio.sleep(0)
    assert [one.done() for one in asked].count(False) == 10
    for one in asked:
        one.cancel()
    await asyncio.gather(*asked, return_exceptions=True)


async def looking(failures: Failures, sender: str, at_once: list[int]) -> None:
    async with failures.turn(sender):
        at_once[0] += 1
        at_once[1] = max(at_once)
        await asyncio.sleep(0)
        at_once[0] -= 1


async def test_the_keys_of_a_sender_that_fails_are_looked_up_one_after_the_other() -> None:
    failures = failing(Clock())
    good, bad = [0, 0], [0, 0]
    await codes(failures, "bad", 6)
    await asyncio.gather(*(looking(failures, "bad", bad) for _ in range(50)))
    await asyncio.gather(*(looking(failures, "good", good) for _ in range(50)))
    assert (bad[1], good[1]) == (1, 50)


async def test_the_keys_of_all_that_fail_are_looked_up_eight_at_a_time() -> None:
    failures, seen = failing(Clock()), [0, 0]
    for n in range(30):
        await codes(failures, str(n), 6)
    await asyncio.gather(*(looking(failures, str(n), seen) for n in range(30)))
    assert seen[1] == 8
