"""A model's answer is text from outside: it becomes a reading or a ValueError, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.backends.vision.picture import Picture
from libs.backends.vision.reading import ANSWER_LENGTH_MAX, REGIONS_MAX, Reading, Region, read_answer

PICTURE = Picture(b"", "image/png", 2_000, 1_000)


def read(told: Any) -> Reading:
    return read_answer(json.dumps(told), "bbox_2d", PICTURE)


def region(**members: Any) -> Region:
    (only,) = read({"text": "", "regions": [{"text": "a", **members}]}).regions
    return only


def test_both_ways_of_writing_a_box_mean_the_same_pixels() -> None:
    x_first = region(bbox_2d=[100, 200, 300, 400]).box
    told = json.dumps({"text": "", "regions": [{"text": "a", "box_2d": [200, 100, 400, 300]}]})
    y_first = read_answer(told, "box_2d", PICTURE).regions[0].box
    assert x_first == y_first == (200, 200, 600, 400)


def test_a_box_is_told_as_four_corners_clockwise_from_the_top_left() -> None:
    assert region(bbox_2d=[0, 0, 1000, 500]).as_json()["box"] == [[0, 0], [2000, 0], [2000, 500], [0, 500]]


def test_a_box_beyond_the_edges_is_cut_and_one_upside_down_is_turned() -> None:
    assert region(bbox_2d=[900, 900, -5, 5_000]).box == (0, 900, 1_800, 1_000)


@pytest.mark.parametrize("box", [None, [], [1, 2, 3], [1, 2, 3, 4, 5], "1,2,3,4", [1, 2, 3, "4"], [1, 2, 3, True], {}])
def test_a_box_that_makes_no_sense_is_none_and_the_text_stays(box: Any) -> None:
    assert region(bbox_2d=box) == Region("a")
    assert region() == Region("a")


@pytest.mark.parametrize(
    "told, kept", [(0, 0.0), (1, 1.0), (0.5, 0.5), (1.01, None), (-1, None), ("high", None), (True, None)]
)
def test_a_confidence_is_a_number_from_0_to_1_or_none(told: Any, kept: float | None) -> None:
    assert region(confidence=told).confidence == kept


@pytest.mark.parametrize("fence", ["```json\n{}\n```", "```\n{}\n```", "  \n```json\n{}```  "])
def test_a_fence_around_the_answer_is_taken_off(fence: str) -> None:
    assert read_answer(fence.replace("{}", '{"text": "a"}'), "bbox_2d", PICTURE) == Reading("a")


def test_an_image_without_text_has_none() -> None:
    assert read({"text": ""}) == read({"text": "", "regions": []}) == read({"text": "", "regions": None}) == Reading("")


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "hello",
        "null",
        "[]",
        "{}",
        '{"text": 1}',
        '{"text": "a", "regions": {}}',
        '{"text": "a", "regions": [{}]}',
        '{"text": "a", "regions": [{"text": null}]}',
        '{"text": "a"} and more',
        '{"text": NaN}',
        json.dumps({"text": "a", "regions": [{"text": "a"}] * (REGIONS_MAX + 1)}),
        json.dumps({"text": "x" * ANSWER_LENGTH_MAX}),
        "[" * 100_000,
    ],
)
def test_what_is_not_the_json_that_was_asked_for_is_refused(answer: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_answer(answer, "bbox_2d", PICTURE)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["text", "regions", "bbox_2d", "box_2d", "confidence"]), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(JSON, st.sampled_from(["box_2d", "bbox_2d"]))
def test_any_answer_is_a_reading_within_the_image_or_a_value_error(told: Any, form: Any) -> None:
    try:
        reading = read_answer(json.dumps(told), form, PICTURE)
    except ValueError:
        return
    for found in reading.regions:
        if found.box is not None:
            left, top, right, bottom = found.box
            assert 0 <= left <= right <= 2_000
            assert 0 <= top <= bottom <= 1_000
    json.dumps(reading.as_json(), allow_nan=False)
