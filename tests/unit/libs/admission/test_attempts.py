from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from libs import limits
from libs.access.caller import Caller
from libs.admission.attempts import Attempts, price_of
from libs.admission.rate import RateRule, RefusedRate
from tests.fakes.callers import make_caller

RULE = RateRule()


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(clock=clock)


def caller(digest: str = "", **overrides: Any) -> Caller:
    return replace(
        make_caller("free", **{"submits_per_minute": 3, "attempts_per_submit": 2} | overrides), digest=digest
    )


def left(attempts: Attempts, who: Caller) -> int:
    """How many attempts pass from here on."""
    for count in range(1_000):
        try:
            attempts.take(who, RULE)
        except RefusedRate:
            return count
    return 1_000


def test_a_caller_has_a_multiple_of_their_submits(attempts: Attempts) -> None:
    assert left(attempts, caller()) == 6


def test_they_come_back_evenly(attempts: Attempts, clock: Clock) -> None:
    who = caller()
    left(attempts, who)
    clock.now_s += 19.99
    assert left(attempts, who) == 1
    clock.now_s += 60
    assert left(attempts, who) == 6


def test_the_refusal_names_the_bucket_and_when_to_come_back(attempts: Attempts) -> None:
    who = caller()
    left(attempts, who)
    with pytest.raises(RefusedRate) as caught:
        attempts.take(who, RULE)
    assert caught.value.members == {"violated-policies": ["attempts"]}
    assert caught.value.retry_after_s == pytest.approx(10)
    assert (caught.value.rates[0].limit, caught.value.rates[0].remaining) == (6, 0)


def test_what_costs_more_than_is_left_empties_the_bucket_and_owes_nothing(attempts: Attempts, clock: Clock) -> None:
    who = caller()
    attempts.spend(who, RULE, 1_000)
    assert left(attempts, who) == 0
    clock.now_s += 10.01
    assert left(attempts, who) == 1


def test_users_share_nothing_and_an_api_key_with_a_rate_of_its_own_has_less(attempts: Attempts) -> None:
    who = caller("a")
    slow = replace(who, digest="b", rates={"submits": 1})
    assert left(attempts, slow) == 2
    assert left(attempts, who) == 4  # both spend from their user's
    assert left(attempts, caller("c")) == 6


def test_what_redis_has_not_counted_is_due_once(attempts: Attempts) -> None:
    who, other = caller("a"), caller("b")
    attempts.spend(who, RULE, 2)
    attempts.take(who, RULE)
    assert (attempts.due(who), attempts.due(who), attempts.due(other)) == (3, 0, 0)
    attempts.owe(who, 3)
    assert attempts.due(who) == 3


def test_a_bucket_that_redis_knows_to_be_empty_is_so_here(attempts: Attempts, clock: Clock) -> None:
    who = caller()
    attempts.close(who, RULE, 4.0)
    assert left(attempts, who) == 0
    clock.now_s += 4.01
    assert left(attempts, who) == 1


def test_no_more_callers_are_remembered_than_that(clock: Clock) -> None:
    attempts = Attempts(callers_max=2, clock=clock)
    first = caller("first")
    attempts.spend(first, RULE, 6)
    assert left(attempts, first) == 0
    for name in ("second", "third"):
        attempts.spend(caller(name), RULE, 1)
    assert attempts.due(first) == 0
    assert left(attempts, first) == 6


@pytest.mark.parametrize(
    "read, values, price",
    [
        (0, 0, 1),
        (limits.ATTEMPT_BYTES - 1, limits.ATTEMPT_VALUES - 1, 1),
        (limits.ATTEMPT_BYTES, 0, 2),
        (0, limits.ATTEMPT_VALUES, 2),
        (4_000_000, 50_000, 26),
    ],
)
def test_a_refused_submission_costs_by_what_was_read_of_it(read: int, values: int, price: int) -> None:
    assert price_of(read, values) == price
