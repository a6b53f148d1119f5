from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from libs.access.plan import DEFAULT_PLANS
from libs.artifacts.dimensions import Size
from libs.embedded.comfyui_standin.nodes import validate
from libs.errors import Refusal, Unavailable
from libs.kinds import KINDS
from libs.kinds.generate import KIND, check, cost, prepare
from libs.kinds.generate_graph import index_of, picture_graph
from libs.kinds.generate_input import SEED_MAX, GenerateInput
from libs.kinds.generate_size import picture_size
from libs.kinds.kind import Attempt, Offer
from tests.fakes.attempt import FakeAttempt

OFFER = Offer({"models": ["m1", "m2"], "samplers": ["euler", "euler_ancestral"], "schedulers": ["normal"]})
PRO = DEFAULT_PLANS["pro"]
UPLOAD = f"upload_{'0' * 26}"


def wanted(**members: Any) -> GenerateInput:
    return GenerateInput.model_validate({"prompt": "a lighthouse", **members})


def refusal_of(asked: GenerateInput, offer: Offer = OFFER, plan: str = "pro") -> dict[str, str]:
    with pytest.raises(Refusal) as caught:
        check(asked, offer, DEFAULT_PLANS[plan])
    assert caught.value.problem.status == 422
    return dict(caught.value.errors[0])


def test_the_kind_is_on_offer() -> None:
    assert KINDS["generate"] is KIND
    assert (KIND.queue, KIND.backend) == ("gpu", "comfyui")


def test_a_picture_costs_a_unit() -> None:
    assert cost(wanted(batch_size=4)) == 4


@pytest.mark.parametrize("seed", [None, -1])
def test_a_random_seed_is_drawn_at_submission(seed: int | None) -> None:
    drawn = {prepare(wanted(seed=seed)).seed for _ in range(20)}
    assert len(drawn) == 20
    assert all(one is not None and 0 <= one <= SEED_MAX for one in drawn)


@pytest.mark.parametrize("seed", [0, 7, SEED_MAX])
def test_a_chosen_seed_stays(seed: int) -> None:
    assert prepare(wanted(seed=seed)).seed == seed


@pytest.mark.parametrize("plan,ceiling", [("free", 1), ("pro", 4)])
def test_a_plan_bounds_the_pictures_of_a_job(plan: str, ceiling: int) -> None:
    check(wanted(batch_size=ceiling), OFFER, DEFAULT_PLANS[plan])
    error = refusal_of(wanted(batch_size=ceiling + 1), plan=plan)
    assert error["pointer"] == "#/input/batch_size"
    assert str(ceiling) in error["detail"]


@pytest.mark.parametrize("member", ["model", "sampler", "scheduler"])
def test_a_name_that_is_not_offered_is_refused_with_what_is(member: str) -> None:
    error = refusal_of(wanted(**{member: "nonsense"}))
    assert error["pointer"] == f"#/input/{member}"
    assert OFFER.catalogue[member + "s"][0] in error["detail"]


def test_a_long_list_of_what_is_offered_is_shortened() -> None:
    many = Offer({"models": [f"m{number}" for number in range(1_000)]})
    error = refusal_of(wanted(model="x"), many)
    assert error["detail"].endswith("m19 and 980 more")


def test_where_nothing_is_known_yet_everything_is_accepted() -> None:
    check(wanted(model="x", sampler="y", scheduler="z"), Offer(), PRO)
    check(wanted(model="x"), Offer({"models": []}), PRO)


def test_offered_names_are_accepted() -> None:
    check(wanted(model="m2", sampler="euler"), OFFER, replace(PRO, pictures_per_job=10))


def test_a_lora_that_is_not_offered_is_refused_where_it_stands() -> None:
    offer = Offer({"loras": ["detail"]})
    check(wanted(loras=[{"name": "detail"}]), offer, PRO)
    error = refusal_of(wanted(loras=[{"name": "detail"}, {"name": "nonsense"}]), offer)
    assert (error["pointer"], error["code"]) == ("#/input/loras/1/name", "not_offered")


def test_a_backend_that_has_told_what_it_has_and_has_no_lora_offers_none() -> None:
    offer = Offer({"node_classes": ["KSampler"], "models": ["m1"], "loras": []})
    error = refusal_of(wanted(loras=[{"name": "nonsense"}]), offer)
    assert (error["pointer"], error["detail"]) == ("#/input/loras/0/name", "not offered; the backend offers none")


def test_the_graph_carries_every_wish() -> None:
    asked = wanted(negative_prompt="fog", steps=3, cfg=2, sampler="euler", scheduler="karras")
    graph = picture_graph(asked, model="m1", seeds=[5], size=Size(64, 72))
    inputs = {node: body["inputs"] for node, body in graph.items()}
    assert inputs["checkpoint"] == {"ckpt_name": "m1"}
    assert inputs["positive"]["text"] == "a lighthouse"
    assert inputs["negative"]["text"] == "fog"
    assert inputs["latent"] == {"width": 64, "height": 72, "batch_size": 1}
    sampler = inputs["sampler-0"]
    assert [sampler[name] for name in ("seed", "steps", "cfg", "sampler_name", "scheduler", "denoise")] == [
        *(5, 3, 2, "euler", "karras"),
        1.0,
    ]
    assert (sampler["positive"], sampler["negative"]) == (["positive", 0], ["negative", 0])


def test_each_picture_of_a_batch_is_drawn_as_it_would_be_alone() -> None:
    asked = wanted(batch_size=3)
    batch = picture_graph(asked, model="m1", seeds=asked.seeds(SEED_MAX), size=Size(64, 64))
    samplers = [batch[f"sampler-{index}"] for index in range(3)]
    assert [one["inputs"]["seed"] for one in samplers] == [SEED_MAX, 0, 1]
    for one in samplers:
        alone = picture_graph(wanted(), model="m1", seeds=[one["inputs"]["seed"]], size=Size(64, 64))
        assert one == alone["sampler-0"]
        assert batch["latent"] == alone["latent"]
    savers = [node for node, body in batch.items() if body["class_type"] == "SaveImage"]
    assert [index_of(node) for node in savers] == [0, 1, 2]


def test_loras_lie_over_the_checkpoint_one_after_the_other() -> None:
    asked = wanted(loras=[{"name": "a", "strength": 0.5}, {"name": "b", "strength": 2.0, "clip_strength": 0.0}])
    graph = picture_graph(asked, model="m1", seeds=[1], size=Size(64, 64))
    first, second = graph["lora-0"]["inputs"], graph["lora-1"]["inputs"]
    assert (first["model"], first["clip"]) == (["checkpoint", 0], ["checkpoint", 1])
    assert (first["lora_name"], first["strength_model"], first["strength_clip"]) == ("a", 0.5, 0.5)
    assert (second["model"], second["strength_model"], second["strength_clip"]) == (["lora-0", 0], 2.0, 0.0)
    assert graph["sampler-0"]["inputs"]["model"] == ["lora-1", 0]
    assert graph["positive"]["inputs"]["clip"] == ["lora-1", 1]
    assert graph["decode-0"]["inputs"]["vae"] == ["checkpoint", 2]


@pytest.mark.parametrize("denoise,told", [(None, 0.75), (0.3, 0.3), (1.0, 1.0)])
def test_an_init_image_stands_for_the_empty_latent(denoise: float | None, told: float) -> None:
    asked = wanted(init_image=UPLOAD, denoise=denoise)
    graph = picture_graph(asked, model="m1", seeds=[1], size=Size(64, 64))
    assert graph["init"] == {"class_type": "LoadImage", "inputs": {"image": "arqade-init-image.png"}}
    assert graph["latent"]["class_type"] == "VAEEncode"
    assert graph["sampler-0"]["inputs"]["denoise"] == told
    assert "EmptyLatentImage" not in {body["class_type"] for body in graph.values()}


def test_the_graph_is_one_that_comfyui_accepts() -> None:
    asked = wanted(batch_size=2, init_image=UPLOAD, loras=[{"name": "pixel_art.safetensors"}])
    for one in (wanted(), asked):
        assert validate(picture_graph(one, model="dreamshaper_8.safetensors", seeds=[0, 1], size=Size(64, 64))) is None


@pytest.mark.parametrize(
    "asked,init,size",
    [
        ({}, None, (512, 512)),
        ({"width": 64}, None, (64, 512)),
        ({}, (640, 360), (640, 360)),
        ({}, (333, 10), (336, 64)),
        ({}, (6_000, 3_000), (2_048, 1_024)),
        ({"width": 512}, (1_000, 500), (512, 256)),
        ({"height": 512}, (1_000, 100), (2_048, 512)),
        ({"width": 64, "height": 128}, (1_000, 500), (64, 128)),
    ],
)
def test_pictures_are_as_large_as_asked_or_as_the_init_image(
    asked: dict[str, int], init: tuple[int, int] | None, size: tuple[int, int]
) -> None:
    assert picture_size(wanted(**asked), init and Size(*init)) == Size(*size)


async def test_the_first_event_comes_before_the_backend_is_asked_for_anything() -> None:
    attempt = FakeAttempt()
    checked: Attempt = attempt
    with pytest.raises(Unavailable):
        await KIND.run(wanted(batch_size=2), checked)
    assert attempt.reports == [(0, 40, "submitted")]
