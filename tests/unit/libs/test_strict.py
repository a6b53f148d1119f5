from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from libs import limits
from libs.strict import Strict, at_most


class Part(Strict):
    name: str


class Whole(Strict):
    parts: Annotated[tuple[Part, ...], Field(max_length=3, strict=False), at_most(3)] = ()
    words: Annotated[dict[str, Any], Field(max_length=3), at_most(3)] = Field(default_factory=dict)


def errors_of(value: object) -> list[tuple[tuple[int | str, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate(value)
    return [(error["loc"], error["type"]) for error in caught.value.errors()]


def test_as_much_as_is_allowed_is_taken() -> None:
    told = {"parts": [{"name": "a"}] * 3, "words": {"a": 1, "b": 2, "c": 3}}
    assert Whole.model_validate(told).model_dump() == {**told, "parts": ({"name": "a"},) * 3}


@pytest.mark.parametrize("member, value", [("parts", [{"x": 1}] * 4), ("words", dict.fromkeys("abcd"))])
def test_none_of_too_many_entries_is_looked_at(member: str, value: object) -> None:
    assert errors_of({member: value}) == [((member,), "too_long")]


def test_a_few_members_that_do_not_exist_are_told_each() -> None:
    told = {f"no{number}": 1 for number in range(limits.VALIDATION_ERRORS_MAX)}
    assert errors_of({**told, "parts": []}) == [((name,), "extra_forbidden") for name in told]


def test_of_very_many_such_no_more_are_looked_at_than_are_told() -> None:
    errors = errors_of({**{f"no{number}": 1 for number in range(100_000)}, "parts": [{}]})
    assert len(errors) == limits.VALIDATION_ERRORS_MAX + 2  # one more, for an alias that is no field's name
    assert errors[0] == (("parts", 0, "name"), "missing")


def test_what_is_no_object_is_told_so() -> None:
    assert errors_of([1]) == [((), "model_type")]
