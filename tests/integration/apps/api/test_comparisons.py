"""Comparisons: variants of one order, let in together or not at all, and shown side by side."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from libs.jobs.lifecycle import Claim, claim
from tests.fakes.api import Api
from tests.fakes.customers import COMPARED, COMPARISONS, JOBS, PICTURE, Customer, customer_of
from tests.fakes.hands import FLEET, end
from tests.fakes.problems import refused

UNSEEDED = {name: value for name, value in PICTURE.items() if name != "seed"}


def compared(*changes: dict[str, Any], **more: Any) -> dict[str, Any]:
    variants = [{"name": f"variant {number}", "input": one} for number, one in enumerate(changes)]
    return {"input": UNSEEDED, "variants": variants, **more}


@pytest.fixture
async def someone(api: Api) -> Customer:
    return await customer_of(api)


async def start_one(api: Api) -> Claim:
    return (await claim(api.resources.store, "wrk_by_hand", ["gpu"], 1, 30.0, servers=FLEET)).jobs[0]


async def made(someone: Customer, body: Any = COMPARED, **headers: str) -> dict[str, Any]:
    answer = await someone.post(COMPARISONS, body, **headers)
    assert answer.status_code == 202, answer.text
    comparison: dict[str, Any] = answer.json()
    assert answer.headers["location"] == comparison["links"]["self"]
    return comparison


async def test_variants_stand_side_by_side_with_what_each_changes(someone: Customer) -> None:
    comparison = await made(someone, compared({}, {"steps": 9}, {"negative_prompt": "fog"}))
    assert comparison["status"] == "running"
    assert [one["name"] for one in comparison["variants"]] == ["variant 0", "variant 1", "variant 2"]
    assert [one["input"] for one in comparison["variants"]] == [{}, {"steps": 9}, {"negative_prompt": "fog"}]
    assert [one["job"]["input"]["steps"] for one in comparison["variants"]] == [4, 9, 4]
    assert [one["job"]["id"] for one in comparison["variants"]] == [one["job_id"] for one in comparison["variants"]]
    again = (await someone.get(comparison["links"]["self"])).json()
    assert {**again, "variants": []} == {**comparison, "variants": []}
    listed = (await someone.get(COMPARISONS)).json()
    assert [one["id"] for one in listed["data"]] == [comparison["id"]]


async def test_what_is_left_to_chance_is_drawn_once_for_all(someone: Customer) -> None:
    seeds = [one["job"]["input"]["seed"] for one in (await made(someone, compared({}, {"steps": 9})))["variants"]]
    assert seeds[0] == seeds[1]
    body = compared({"seed": -1}, {"seed": -1, "steps": 9}, {"seed": 5})
    seeds = [one["job"]["input"]["seed"] for one in (await made(someone, body))["variants"]]
    assert seeds[0] == seeds[1] != 5 == seeds[2]


async def test_a_change_is_a_merge_patch(someone: Customer) -> None:
    body = compared({"steps": None}, {"loras": [{"name": "add_detail.safetensors"}]})
    first, second = (one["job"]["input"] for one in (await made(someone, body))["variants"])
    assert (first["steps"], second["loras"][0]["strength"]) == (20, 1.0)


async def test_it_ends_with_the_last_of_its_jobs(api: Api, someone: Customer) -> None:
    comparison = await made(someone)
    for status in ("running", "finished"):
        await end(api.resources.store, await start_one(api), output={})
        assert (await someone.get(comparison["links"]["self"])).json()["status"] == status
    answer = await someone.post(comparison["links"]["cancel"])
    refused(answer, 409, "job_already_finished")


async def test_canceling_it_cancels_what_has_not_ended(api: Api, someone: Customer) -> None:
    comparison = await made(someone)
    answer = await someone.post(comparison["links"]["cancel"])
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert {one["job"]["status"] for one in answer.json()["variants"]} == {"canceled"}
    running = await made(someone)
    await start_one(api)
    assert (await someone.post(running["links"]["cancel"])).status_code == 202


@pytest.mark.parametrize(
    "limits,body,status,code",
    [
        ({"units_per_day": 5}, compared({"batch_size": 3}, {"batch_size": 3}), 429, "quota_exceeded"),
        ({"queued_max": 1}, COMPARED, 429, "queue_limit"),
    ],
)
async def test_all_are_let_in_or_none(
    api: Api, limits: dict[str, int | None], body: Any, status: int, code: str
) -> None:
    someone = await customer_of(api, "internal", **limits)
    refused(await someone.post(COMPARISONS, body), status, code)
    assert (await someone.get(JOBS)).json()["data"] == []
    assert (await someone.get(COMPARISONS)).json()["data"] == []
    await someone.job()  # there is room for one


async def test_it_counts_as_one_submission_and_its_units_as_theirs(api: Api) -> None:
    someone = await customer_of(api, submits_per_minute=2, units_per_day=10)
    comparison = await made(someone, compared({}, {"batch_size": 2}))
    assert [one["job"]["usage"]["units"] for one in comparison["variants"]] == [1, 2]
    await made(someone)
    answer = await someone.post(COMPARISONS, COMPARED)
    refused(answer, 429, "rate_limited")


async def test_the_same_key_makes_one_comparison_however_often_it_is_sent(someone: Customer) -> None:
    many = await asyncio.gather(*[someone.post(COMPARISONS, COMPARED, idempotency_key="once") for _ in range(20)])
    assert {answer.status_code for answer in many} == {202}
    assert len({answer.json()["id"] for answer in many}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in many) == 19
    assert len((await someone.get(JOBS)).json()["data"]) == 2
    refused(await someone.post(COMPARISONS, compared({}, {}), idempotency_key="once"), 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    "body,pointer",
    [
        (compared({}), "#/variants"),
        (compared(*[{}] * 6), "#/variants"),
        ({"input": UNSEEDED, "variants": [{"name": "a"}, {"name": "a"}]}, "#/variants"),
        ({"input": UNSEEDED, "variants": [{"name": ""}, {"name": "a"}]}, "#/variants/0/name"),
        ({"input": UNSEEDED, "variants": [{"name": "a", "weight": 1}, {"name": "b"}]}, "#/variants/0/weight"),
        (compared({}, {"width": 65}), "#/variants/1/input/width"),
        (compared({}, {"nonsense": 1}), "#/variants/1/input/nonsense"),
        ({"input": {"prompt": "x", "width": 65}, "variants": [{"name": "a"}, {"name": "b"}]}, "#/input/width"),
        (compared({}, {}, kind="nonsense"), "#/kind"),
        (compared({}, {}, run_at="2030-01-01T00:00:00Z"), "#/run_at"),
    ],
)
async def test_what_is_wrong_is_refused_where_it_stands(someone: Customer, body: Any, pointer: str) -> None:
    problem = refused(await someone.post(COMPARISONS, body), 422, "validation_failed")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert (await someone.get(JOBS)).json()["data"] == []


async def test_pages_of_comparisons_follow_each_other(someone: Customer) -> None:
    ids = [(await made(someone))["id"] for _ in range(3)]
    first = (await someone.get(f"{COMPARISONS}?limit=2")).json()
    second = (await someone.get(f"{COMPARISONS}?limit=2&cursor={first['next_cursor']}")).json()
    assert [one["id"] for one in (*first["data"], *second["data"])] == ids[::-1]
    assert (first["has_more"], second["has_more"]) == (True, False)
