from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from libs.kinds.generate_input import LORAS_MAX, SEED_MAX, GenerateInput

UPLOAD = f"upload_{'0' * 26}"


def given(**members: Any) -> GenerateInput:
    return GenerateInput.model_validate({"prompt": "a lighthouse", **members})


def test_a_prompt_is_enough_and_the_rest_has_the_promised_defaults() -> None:
    assert given().model_dump() == {
        "prompt": "a lighthouse",
        "negative_prompt": "",
        "model": None,
        "init_image": None,
        "denoise": None,
        "loras": (),
        "width": None,
        "height": None,
        "steps": 20,
        "cfg_scale": 7.0,
        "sampler": "euler_ancestral",
        "scheduler": "normal",
        "seed": None,
        "batch_size": 1,
    }


@pytest.mark.parametrize(
    "member,values",
    [
        ("prompt", ["x", "x" * 5_000]),
        ("negative_prompt", ["", "x" * 2_000]),
        ("model", ["x", "x" * 255, None]),
        ("width", [64, 72, 2_048]),
        ("height", [64, 2_048]),
        ("steps", [1, 150]),
        ("cfg_scale", [1, 1.0, 7, 30.0]),
        ("sampler", ["x", "x" * 255]),
        ("scheduler", ["karras"]),
        ("seed", [-1, 0, SEED_MAX, None]),
        ("batch_size", [1, 10]),
    ],
)
def test_every_member_takes_values_up_to_its_limits(member: str, values: list[Any]) -> None:
    for value in values:
        assert getattr(given(**{member: value}), member) == value


@pytest.mark.parametrize(
    "member,values",
    [
        ("prompt", ["", " \n\t", "x" * 5_001, None, 7, "\ud800"]),
        ("negative_prompt", ["x" * 2_001, None]),
        ("model", ["", "x" * 256, 7]),
        ("width", [56, 63, 65, 2_049, 2_056, 512.0, "512", True, None]),
        ("height", [0, -64, 100, 2_056]),
        ("steps", [0, 151, 1.5, "20", True]),
        ("cfg_scale", [0.99, 30.01, float("nan"), float("inf"), "7", True]),
        ("sampler", ["", 7, ["euler"]]),
        ("scheduler", ["", None]),
        ("seed", [-2, SEED_MAX + 1, 1.0, "1", True]),
        ("batch_size", [0, 11, 1.0]),
    ],
)
def test_every_member_refuses_values_past_its_limits(member: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ValidationError):
            given(**{member: value})


def test_the_largest_picture_has_as_many_pixels_as_a_picture_may_have() -> None:
    largest = given(width=2_048, height=2_048)
    assert (largest.width or 0) * (largest.height or 0) == 4_194_304


def test_a_denoise_needs_an_image_to_start_from() -> None:
    with pytest.raises(ValidationError) as caught:
        given(denoise=0.5)
    assert caught.value.errors()[0]["loc"] == ("denoise",)
    assert given(init_image=UPLOAD, denoise=0.5).denoise == 0.5
    for past in (0, 1.01, float("nan")):
        with pytest.raises(ValidationError):
            given(init_image=UPLOAD, denoise=past)


def test_loras_have_a_name_and_a_bounded_strength() -> None:
    told = given(loras=[{"name": "a", "strength": -10}, {"name": "b", "clip_strength": 10}]).loras
    assert [(one.name, one.strength, one.clip_strength) for one in told] == [("a", -10, None), ("b", 1, 10)]
    for wrong in ({}, {"name": ""}, {"name": "a", "strength": 10.1}, {"name": "a", "weight": 1}, "a"):
        with pytest.raises(ValidationError):
            given(loras=[wrong])
    given(loras=[{"name": "a"}] * LORAS_MAX)
    with pytest.raises(ValidationError):
        given(loras=[{"name": "a"}] * (LORAS_MAX + 1))


def test_a_batch_counts_its_seeds_on_from_the_first() -> None:
    assert given(batch_size=3).seeds(7) == (7, 8, 9)
    assert given(batch_size=2).seeds(SEED_MAX) == (SEED_MAX, 0)


def test_unknown_members_are_refused() -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        given(lora="x")


def test_cfg_is_another_name_of_cfg_scale_but_not_both_at_once() -> None:
    assert given(cfg=3).cfg_scale == 3
    with pytest.raises(ValidationError):
        given(cfg=3, cfg_scale=4)


def test_the_former_services_sampler_names_are_understood() -> None:
    assert given(sampler="euler_a").sampler == "euler_ancestral"


def test_a_stored_input_reads_back_as_it_was() -> None:
    wanted = given(cfg=3, seed=7, model="m", loras=[{"name": "a"}], init_image=UPLOAD, denoise=0.5)
    assert GenerateInput.model_validate(wanted.model_dump(mode="json", exclude_none=True)) == wanted
