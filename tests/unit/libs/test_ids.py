from __future__ import annotations

import time

from libs.ids import derived_id, is_id, made_at_ms, new_id


def test_an_id_tells_when_it_was_made() -> None:
    before_ms = time.time_ns() // 1_000_000
    assert before_ms <= made_at_ms(new_id("job")) <= time.time_ns() // 1_000_000


def test_derived_ids_are_always_the_same_and_differ_by_parent_and_number() -> None:
    parent, other = new_id("batch"), new_id("batch")
    ids = [derived_id("job", parent, number) for number in range(1_000)]
    assert ids == [derived_id("job", parent, number) for number in range(1_000)]
    assert len({*ids, *(derived_id("job", other, number) for number in range(1_000))}) == 2_000
    assert all(is_id(one, "job") for one in ids)


def test_derived_ids_sort_by_their_number() -> None:
    parent = new_id("batch")
    ids = [derived_id("job", parent, number) for number in range(50_000)]
    assert ids == sorted(ids)
