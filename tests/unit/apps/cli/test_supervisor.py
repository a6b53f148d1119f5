from __future__ import annotations

from apps.cli.supervisor import _Kept
from libs.embedded.part import Part


def kept() -> _Kept:
    part = Part("it", spawn=lambda: (_ for _ in ()).throw(AssertionError), answers=lambda: True)
    return _Kept(part, None, started_at=1_000.0)


def test_a_part_that_keeps_falling_is_started_ever_later_but_never_much_later() -> None:
    part, now, waits = kept(), 1_000.0, []
    for _ in range(60):
        waits.append(part.fell(now))
        part.started_at = now = part.starts_at
    assert waits[:4] == [0.2, 0.4, 0.8, 1.6]
    assert waits == sorted(waits)
    assert waits[-1] == 10.0


def test_a_part_that_stood_for_a_while_is_started_at_once() -> None:
    part = kept()
    for _ in range(10):
        part.fell(1_000.0)
    assert part.fell(1_031.0) == 0.2
