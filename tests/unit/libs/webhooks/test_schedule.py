from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.webhooks.schedule import Schedule, read_retry_after

HOUR = 3_600
PAUSES = (0, 5, 300, 1_800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def test_ten_tries_in_about_three_days() -> None:
    assert Schedule().pauses_s == PAUSES
    assert Schedule().wait_s(10) is None
    assert Schedule().span_s == pytest.approx(sum(PAUSES) * 1.2)


@given(st.integers(1, 9))
def test_each_pause_is_off_by_a_fifth_at_most(tries: int) -> None:
    wait_s = Schedule().wait_s(tries)
    assert wait_s is not None
    assert PAUSES[tries] * 0.8 <= wait_s <= PAUSES[tries] * 1.2


@pytest.mark.parametrize("asked, waited", [(60, 60), (1, 5), (10**9, 24 * HOUR)])
def test_a_receiver_may_ask_for_more_time_up_to_a_day(asked: float, waited: float) -> None:
    assert Schedule(jitter=0).wait_s(1, asked) == waited


def test_no_retry_after_brings_a_try_back() -> None:
    assert Schedule().wait_s(10, 60) is None


@pytest.mark.parametrize(
    "text, seconds",
    [
        (None, 0),
        ("", 0),
        ("120", 120),
        ("9" * 400, 999_999_999),
        ("-5", 0),
        ("soon", 0),
        ("٣", 0),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0),
        ("Sat, 21 Nov 99999 11:00:00 GMT", 0),
        ("Sat, 21 Nov 99999999999 11:00:00 GMT", 0),
        ("Sat, 21 Nov 2026 12:00:00 +9999", 0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 251_607_124_739),
    ],
)
def test_either_form_of_the_header_is_read_and_nothing_else(text: str | None, seconds: float) -> None:
    assert read_retry_after(text, NOW) == seconds


@given(st.text(max_size=60))
def test_no_header_makes_it_fail(text: str) -> None:
    assert read_retry_after(text, NOW) >= 0
