from __future__ import annotations

import pytest

from libs.access.failures import Failures
from libs.errors import Refusal


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def blocked_s(failures: Failures, sender: str) -> float | None:
    try:
        failures.check(sender)
    except Refusal as refusal:
        return refusal.retry_after_s
    return None


def test_twenty_failures_in_a_minute_are_one_too_many_for_the_rest_of_it() -> None:
    clock = Clock()
    failures = Failures(clock=clock)
    for n in range(20):
        assert blocked_s(failures, "a") is None
        clock.now = n * 2.0
        failures.note("a")
    assert blocked_s(failures, "a") == 60 - 38
    assert blocked_s(failures, "b") is None
    clock.now = 59.9
    assert blocked_s(failures, "a") is not None
    clock.now = 60.0
    assert blocked_s(failures, "a") is None


def test_the_count_begins_anew_after_the_minute() -> None:
    clock = Clock()
    failures = Failures(clock=clock)
    for _ in range(19):
        failures.note("a")
    clock.now = 61.0
    failures.note("a")
    assert blocked_s(failures, "a") is None


def test_what_redis_says_is_remembered() -> None:
    clock = Clock()
    failures = Failures(clock=clock)
    assert failures.block("a", 7.0).retry_after_s == 7.0
    assert blocked_s(failures, "a") == 7.0
    clock.now = 7.0
    assert blocked_s(failures, "a") is None


@pytest.mark.parametrize("senders_max", [1, 10])
def test_what_is_remembered_is_bounded_and_the_oldest_goes_first(senders_max: int) -> None:
    failures = Failures(senders_max=senders_max)
    for n in range(100):
        failures.block(str(n), 60)
    assert [n for n in range(100) if blocked_s(failures, str(n))] == list(range(100 - senders_max, 100))
