from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from libs.access.plan import DEFAULT_PLANS
from libs.access.plan_numbers import numbers_of
from libs.access.plans import Plans, read_plans, read_plans_file

limits_of = Plans().limits_of
PRO = numbers_of(DEFAULT_PLANS["pro"])


def toml(name: str, **changes: object) -> str:
    numbers = {name: "unlimited" if number is None else number for name, number in (PRO | changes).items()}
    lines = [f"{name} = {orjson.dumps(number).decode()}" for name, number in numbers.items()]
    return f"[{name}]\n" + "\n".join(lines)


def test_a_plan_is_what_it_is_by_default() -> None:
    assert limits_of("pro", b"", b"{}") == DEFAULT_PLANS["pro"]


def test_a_users_override_goes_over_a_changed_plan() -> None:
    found = limits_of("free", orjson.dumps({"slots": 2, "queued_max": 20}), orjson.dumps({"slots": 3}))
    assert (found.slots, found.queued_max, found.weight) == (3, 20, 1)


def test_null_is_unlimited() -> None:
    assert limits_of("free", b"", b'{"units_per_day":null}').units_per_day is None


def test_a_number_of_a_newer_version_is_ignored() -> None:
    assert limits_of("free", b"", b'{"gpus":4}') == DEFAULT_PLANS["free"]


def test_a_plan_that_is_no_longer_known_counts_as_free() -> None:
    assert limits_of("enterprise") == DEFAULT_PLANS["free"]


def test_a_file_replaces_the_plans_that_it_names_and_adds_others() -> None:
    plans = read_plans(toml("free", slots=7) + "\n" + toml("gold-2", units_per_day=None), json=False)
    assert set(plans.base) == {"free", "pro", "internal", "gold-2"}
    assert plans.base["free"].slots == 7
    assert plans.base["gold-2"].units_per_day is None
    assert plans.limits_of("unheard-of").slots == 7


def test_a_file_may_be_json(tmp_path: Path) -> None:
    path = tmp_path / "plans.json"
    path.write_bytes(orjson.dumps({"pro": PRO | {"weight": 9, "submits_per_minute": None}}))
    assert read_plans_file(path).base["pro"].weight == 9
    assert read_plans_file(None).base == DEFAULT_PLANS


@pytest.mark.parametrize(
    "text, told",
    [
        ("[pro", "Expected"),
        ("pro = 7", "pro: the plan"),
        (toml("pro", weight=0), "pro: weight: .* greater than or equal to 1"),
        (toml("pro", submits_per_minute=0), "pro: submits_per_minute"),
        (toml("pro", slots="unlimited"), "pro: slots"),
        (toml("pro", gpus=1), "pro: gpus: Extra inputs"),
        ("[pro]\nslots = 1", "pro: units_per_day: Field required"),
        (toml("Pro"), "no name for a plan"),
    ],
)
def test_a_file_that_says_nothing_usable_is_one_line(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        read_plans(text, json=False)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot be read: No such file"):
        read_plans_file(tmp_path / "plans.toml")
