from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel, Field

from apps.api.validation import validated
from libs import limits
from libs.errors import Refusal


def _even(number: int) -> int:
    if number % 2:
        raise ValueError("must be even")
    return number


class Inner(BaseModel):
    model_config = {"extra": "forbid", "strict": True}

    width: Annotated[int, Field(ge=64)]
    height: Annotated[int, AfterValidator(_even)] = 2


class Outer(BaseModel):
    model_config = {"extra": "forbid", "strict": True}

    pictures: list[Inner]


def errors_of(body: object, at: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    with pytest.raises(Refusal) as caught:
        validated(Outer, body, at)
    assert caught.value.code == "validation_failed"
    return [(error["pointer"], error["code"]) for error in caught.value.errors]


def test_a_valid_body_is_the_model() -> None:
    assert validated(Outer, {"pictures": [{"width": 64}]}).pictures[0].width == 64


def test_each_error_points_at_its_member() -> None:
    body = {"pictures": [{"width": 1}, {"height": 2}, {"width": "64", "colour": 1}]}
    assert errors_of(body, ("input",)) == [
        ("#/input/pictures/0/width", "greater_than_equal"),
        ("#/input/pictures/1/width", "required"),
        ("#/input/pictures/2/width", "int_type"),
        ("#/input/pictures/2/colour", "unknown_member"),
    ]


def test_a_rule_of_ours_is_told_in_its_own_words() -> None:
    with pytest.raises(Refusal) as caught:
        validated(Inner, {"width": 64, "height": 3})
    assert caught.value.errors[0]["detail"] == "must be even"
    assert caught.value.detail == "#/height: must be even"


def test_what_the_client_sent_is_not_told_back() -> None:
    with pytest.raises(Refusal) as caught:
        validated(Inner, {"width": "canary"})
    assert "canary" not in str(caught.value.errors)


def test_the_list_of_errors_has_an_end() -> None:
    assert len(errors_of({"pictures": [{}] * 1_000})) == limits.VALIDATION_ERRORS_MAX
