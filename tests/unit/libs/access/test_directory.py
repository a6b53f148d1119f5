from __future__ import annotations

import orjson

from libs.access.directory import limits_of
from libs.access.plan import DEFAULT_PLANS


def test_a_user_without_overrides_has_the_numbers_of_the_plan() -> None:
    assert limits_of("pro", b"", b"{}") == DEFAULT_PLANS["pro"]


def test_a_users_override_wins_over_a_changed_plan() -> None:
    found = limits_of("free", orjson.dumps({"slots": 2, "queued_max": 20}), orjson.dumps({"slots": 3}))
    assert (found.slots, found.queued_max, found.units_per_day) == (3, 20, 10)


def test_an_override_can_lift_a_limit() -> None:
    assert limits_of("free", b"", b'{"units_per_day":null}').units_per_day is None


def test_numbers_of_a_newer_version_are_ignored() -> None:
    assert limits_of("free", b"", b'{"gpus":4}') == DEFAULT_PLANS["free"]


def test_a_plan_that_is_gone_counts_as_free() -> None:
    assert limits_of("enterprise") == DEFAULT_PLANS["free"]
