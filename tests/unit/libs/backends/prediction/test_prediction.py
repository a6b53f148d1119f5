"""What a provider may tell, and what is no answer of a provider's."""

from __future__ import annotations

from typing import Any

import pytest

from libs.backends.prediction.prediction import read_page, read_prediction

GOOD = {"id": "gm3qorzdhgbfurvjtvhg6dckhu", "status": "starting", "input": {"text": "Alice"}, "version": "5c7d"}


def test_a_prediction_is_read_and_what_is_unknown_of_it_ignored() -> None:
    told = {
        **GOOD,
        "status": "succeeded",
        "output": "hello",
        "created_at": "2026-01-01T00:00:00.5Z",
        "metrics": {"predict_time": 1.5},
        "new": {},
    }
    read = read_prediction(told)
    assert (read.status, read.output, read.predict_s, read.created_at_s) == ("succeeded", "hello", 1.5, 1767225600.5)
    assert read.ended
    assert read_prediction({"status": "failed", "error": "no"}, id_known="a").error == "no"


@pytest.mark.parametrize("status", ["starting", "processing"])
def test_what_has_not_ended_says_so(status: str) -> None:
    assert not read_prediction({**GOOD, "status": status}).ended


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        "starting",
        {},
        {"id": "a"},
        {**GOOD, "status": "perhaps"},
        {**GOOD, "status": None},
        {**GOOD, "id": 7},
        {**GOOD, "id": "../cancel"},
        {**GOOD, "id": "a" * 129},
        {**GOOD, "id": ""},
    ],
)
def test_what_is_no_prediction_is_refused(told: Any) -> None:
    with pytest.raises(ValueError, match=r"no |status"):
        read_prediction(told)


@pytest.mark.parametrize("odd", [{"input": 1}, {"error": {"a": 1}}, {"metrics": []}, {"created_at": "noon"}])
def test_an_odd_member_that_nobody_decides_by_does_no_harm(odd: dict[str, Any]) -> None:
    assert read_prediction({**GOOD, **odd}).id == GOOD["id"]


def test_a_page_leads_to_the_next_by_its_cursor_alone() -> None:
    page = read_page({"results": [GOOD], "next": "http://elsewhere.example/v1/predictions?cursor=cD0yMDI%3D&a=1"})
    assert (len(page.predictions), page.cursor) == (1, "cD0yMDI%3D")
    assert read_page({"results": [], "next": None}).cursor is None


def test_an_odd_entry_of_a_page_hides_no_other_and_is_counted() -> None:
    page = read_page({"results": [{**GOOD, "status": "perhaps"}, GOOD, None], "next": None})
    assert ([each.id for each in page.predictions], page.unread) == ([GOOD["id"]], 2)


@pytest.mark.parametrize(
    "told",
    [None, {}, {"results": {}}, {"results": [1]}, {"results": [], "next": 7}, {"results": [], "next": "http://a/"}],
)
def test_what_is_no_page_is_refused(told: Any) -> None:
    with pytest.raises(ValueError, match=r"no |status"):
        read_page(told)
