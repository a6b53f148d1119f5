from __future__ import annotations

from libs.backends.breaker.shadow import Shadow


def test_what_was_heard_is_believed_for_a_second() -> None:
    shadow = Shadow("closed", heard_at=100.0)
    assert shadow.is_fresh(100.9)
    assert not shadow.is_fresh(101.0)


def test_an_open_breaker_is_not_believed_past_its_phase() -> None:
    shadow = Shadow("open", heard_at=100.0, retry_at=100.5)
    assert shadow.is_fresh(100.4)
    assert not shadow.is_fresh(100.5)


def test_a_half_open_one_without_a_probe_is_asked_at_once() -> None:
    assert not Shadow("half_open", heard_at=100.0, retry_at=100.0).is_fresh(100.0)


def test_the_time_to_come_back_is_never_in_the_past() -> None:
    shadow = Shadow("open", heard_at=100.0, retry_at=105.0)
    assert shadow.retry_in_s(101.0) == 4.0
    assert shadow.retry_in_s(110.0) == 0.0
