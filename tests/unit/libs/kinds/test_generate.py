from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from libs.access.plan import DEFAULT_PLANS
from libs.embedded.comfyui_standin.nodes import validate
from libs.errors import Refusal, Unavailable
from libs.kinds import KINDS
from libs.kinds.generate import KIND, check, cost, prepare
from libs.kinds.generate_graph import text_to_image
from libs.kinds.generate_input import SEED_MAX, GenerateInput
from libs.kinds.kind import Attempt, Offer
from tests.fakes.attempt import FakeAttempt

OFFER = Offer({"models": ["m1", "m2"], "samplers": ["euler", "euler_ancestral"], "schedulers": ["normal"]})
PRO = DEFAULT_PLANS["pro"]


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


def test_the_graph_carries_every_wish() -> None:
    asked = wanted(
        negative_prompt="fog", width=64, height=72, steps=3, cfg=2, sampler="euler", scheduler="karras", batch_size=2
    )
    graph = text_to_image(asked, model="m1", seed=5)
    inputs = {node: body["inputs"] for node, body in graph.items()}
    assert inputs["checkpoint"] == {"ckpt_name": "m1"}
    assert inputs["positive"]["text"] == "a lighthouse"
    assert inputs["negative"]["text"] == "fog"
    assert inputs["latent"] == {"width": 64, "height": 72, "batch_size": 2}
    sampler = inputs["sampler"]
    assert [sampler[name] for name in ("seed", "steps", "cfg", "sampler_name", "scheduler", "denoise")] == [
        *(5, 3, 2, "euler", "karras"),
        1.0,
    ]
    assert (sampler["positive"], sampler["negative"]) == (["positive", 0], ["negative", 0])


def test_the_graph_is_one_that_comfyui_accepts() -> None:
    assert validate(text_to_image(wanted(), model="dreamshaper_8.safetensors", seed=0)) is None


async def test_the_first_event_comes_before_the_backend_is_asked_for_anything() -> None:
    attempt = FakeAttempt()
    checked: Attempt = attempt
    with pytest.raises(Unavailable):
        await KIND.run(wanted(), checked)
    assert attempt.reports == [(0, 20, "submitted")]
