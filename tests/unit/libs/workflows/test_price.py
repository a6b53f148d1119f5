from __future__ import annotations

from typing import Any

import pytest

from libs.backends.comfyui import Graph
from libs.workflows.price import raw_units_of
from tests.fakes.graphs import UPLOAD_ID, picture_graph


def graph(steps: Any = 20, side: Any = 512, pictures: int = 1, **latent: Any) -> dict[str, Any]:
    found = picture_graph()
    found["3"]["inputs"]["steps"] = steps
    found["5"]["inputs"] |= {"width": side, "height": side, "batch_size": pictures, **latent}
    return found


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


@pytest.mark.parametrize(
    "steps, side, units",
    [
        (1, 64, 1),
        (150, 2_048, 1),  # the most that `generate` takes
        (151, 2_048, 2),
        (151, 64, 2),  # steps count, however small the picture
        (300, 512, 2),
        (301, 512, 3),
        (150, 2_056, 2),
        (37, 4_096, 1),  # four times the pixels, a quarter of the steps
        (38, 4_096, 2),
        (10_000, 512, 67),
        (10_000, 2_048, 67),
        (10_000, 16_384, 4_267),
    ],
)
def test_a_picture_is_a_unit_as_long_as_generate_would_draw_it(steps: int, side: int, units: int) -> None:
    assert raw_units_of(graph(steps, side)) == units


def test_each_picture_of_a_batch_costs_the_same() -> None:
    assert raw_units_of(graph(150, 2_048, pictures=4)) == 4
    assert raw_units_of(graph(151, 2_048, pictures=4)) == 8


def samplers(count: int, steps: int, side: int = 512) -> Graph:
    """So many samplers, each drawing on what the one before it left."""
    found = graph(steps, side)
    for number in range(1, count):
        before = "3" if number == 1 else f"s{number - 1}"
        found[f"s{number}"] = node("KSampler", **{**found["3"]["inputs"], "latent_image": [before, 0]})
    found["8"]["inputs"]["samples"] = [f"s{count - 1}" if count > 1 else "3", 0]
    return found


@pytest.mark.parametrize("count, steps, units", [(2, 75, 1), (2, 76, 2), (7, 20, 1), (8, 20, 2), (150, 10_000, 10_000)])
def test_the_steps_of_all_samplers_are_added_up(count: int, steps: int, units: int) -> None:
    assert raw_units_of(samplers(count, steps)) == units


def test_pictures_that_are_drawn_side_by_side_have_steps_of_their_own() -> None:
    found = graph(150)
    found |= {"13": found["3"], "18": node("VAEDecode", samples=["13", 0], vae=["4", 2])}
    found |= {"19": node("SaveImage", images=["18", 0], filename_prefix="x")}
    assert raw_units_of(found) == 2


def test_what_is_made_larger_on_its_way_counts_as_large_as_it_is_when_it_is_drawn() -> None:
    found = graph(75, 2_048)
    again = {**found["3"]["inputs"], "latent_image": ["10", 0]}
    found |= {"10": node("LatentUpscaleBy", samples=["3", 0], scale_by=2.0), "11": node("KSampler", **again)}
    found["8"]["inputs"]["samples"] = ["11", 0]
    assert raw_units_of(found) == 3  # 75 + 4 * 75 of 150
    found["10"] = node("LatentUpscale", samples=["3", 0], width=4_096, height=0)
    assert raw_units_of(found) == 3
    found["10"] = node("ImageUpscaleWithModel", image=["3", 0], upscale_model=["4", 0])
    assert raw_units_of(found) == 9  # 75 + 16 * 75
    found["10"] = node("ImageScaleToTotalPixels", image=["3", 0], megapixels=1.0)
    assert raw_units_of(found) == 1


def test_frames_of_a_film_are_pictures_that_are_drawn_at_once() -> None:
    assert raw_units_of(graph(150, 2_048, length=1)) == 1
    assert raw_units_of(graph(20, 1_024, length=81)) == 3


def test_an_upload_is_as_large_as_one_may_be_until_it_is_scaled() -> None:
    found = graph(150)
    found["5"] = node("VAEEncode", pixels=["20", 0], vae=["4", 2])
    found["20"] = node("LoadImage", image=UPLOAD_ID)
    assert raw_units_of(found) == 6
    found["5"]["inputs"]["pixels"] = ["21", 0]
    found["21"] = node("ImageScale", image=["20", 0], width=1_024, height=1_024)
    assert raw_units_of(found) == 1


@pytest.mark.parametrize("member", ["width", "height", "length"])
def test_a_size_that_a_link_brings_is_the_largest_there_is(member: str) -> None:
    found = graph(150) | {"20": node("PrimitiveInt", value=64)}
    found["5"]["inputs"][member] = ["20", 0]
    assert raw_units_of(found) >= 2


def test_steps_that_nobody_tells_are_the_most_there_are() -> None:
    assert raw_units_of(graph(["20", 0]) | {"20": node("PrimitiveInt", value=1)}) == 67


def custom(count: int, **scheduler: Any) -> dict[str, Any]:
    """Samplers that share the sigmas of one scheduler."""
    found: dict[str, Any] = picture_graph()
    given = found.pop("3")["inputs"]
    text = {name: given[name] for name in ("model", "positive", "negative")}
    found["20"] = node("BasicScheduler", model=["4", 0], **scheduler)
    for number in range(count):
        latent = ["5", 0] if number == 0 else [f"s{number - 1}", 0]
        found[f"s{number}"] = node("SamplerCustom", **text, sigmas=["20", 0], latent_image=latent)
    found["8"]["inputs"]["samples"] = [f"s{count - 1}", 0]
    return found


@pytest.mark.parametrize("count, steps, units", [(1, 150, 1), (1, 151, 2), (150, 10_000, 10_000)])
def test_steps_of_a_scheduler_count_for_each_sampler_that_takes_them(count: int, steps: int, units: int) -> None:
    assert raw_units_of(custom(count, steps=steps)) == units


def test_sigmas_that_are_split_or_drawn_out_have_no_fewer_steps() -> None:
    found = custom(1, steps=100)
    found["21"] = node("SplitSigmas", sigmas=["20", 0], step=50)
    found["s0"]["inputs"]["sigmas"] = ["21", 0]
    assert raw_units_of(found) == 1
    found["21"] = node("ExtendIntermediateSigmas", sigmas=["20", 0], steps=2)
    assert raw_units_of(found) == 2


def test_sigmas_from_nowhere_are_the_longest_there_are() -> None:
    found = custom(1, steps=1)
    found["20"] = node("ManualSigmas", text="1, 0")
    assert raw_units_of(found) == 67


def test_nodes_in_a_row_that_each_take_the_last_one_twice_are_soon_priced() -> None:
    found = graph(20)
    for number in range(100, 290):
        before = ["5", 0] if number == 100 else [str(number - 1), 0]
        found[str(number)] = node("LatentConcat", samples1=before, samples2=before)
    found["3"]["inputs"]["latent_image"] = ["289", 0]
    assert raw_units_of(found) == 9  # 16,384 pixels a side, and no more
