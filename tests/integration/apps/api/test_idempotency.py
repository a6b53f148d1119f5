"""One user, one route, one Idempotency-Key: one job."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.fakes.api import Api
from tests.fakes.customers import JOBS, PICTURE, Customer, customer_of
from tests.fakes.problems import pointers, refused
from tests.integration.apps.api.conftest import MakeApi


@pytest.fixture
async def someone(api: Api) -> Customer:
    return await customer_of(api, "free")


async def count_jobs(someone: Customer) -> int:
    return len((await someone.get(f"{JOBS}?limit=100")).json()["data"])


async def test_the_same_key_and_body_get_the_first_answer_with_the_job_as_it_is_now(someone: Customer) -> None:
    first = await someone.submit(idempotency_key="order-1")
    await someone.delete(first.headers["location"])
    again = await someone.submit(idempotency_key="order-1")
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.status_code, again.headers["location"]) == (first.status_code, first.headers["location"])
    assert (first.json()["status"], again.json()["status"]) == ("queued", "canceled")
    assert await count_jobs(someone) == 1


async def test_quoted_and_bare_keys_are_the_same_key(someone: Customer) -> None:
    bare = await someone.job(idempotency_key="order-1")
    quoted = await someone.job(idempotency_key='"order-1"')
    assert quoted["id"] == bare["id"]


async def test_the_order_of_members_and_white_space_make_no_other_body(api: Api, someone: Customer) -> None:
    first = await someone.job({"prompt": "x", "width": 64}, idempotency_key="k")
    again = await api.http.post(
        JOBS,
        content=b'{ "width" : 64,\n "prompt": "\\u0078" }',
        headers={"x-api-key": someone.secret, "Content-Type": "application/json", "Idempotency-Key": "k"},
    )
    assert again.json()["id"] == first["id"]


@pytest.mark.parametrize("other", [{**PICTURE, "steps": 5}, {**PICTURE, "seed": 8}, {"kind": "generate"}])
async def test_the_same_key_with_another_body_is_refused(someone: Customer, other: dict[str, Any]) -> None:
    await someone.job(idempotency_key="k")
    if "kind" in other:
        other["input"] = dict(PICTURE)
    answer = await someone.submit(other, idempotency_key="k")
    refused(answer, 422, "idempotency_key_reused")
    assert "retry-after" not in answer.headers
    assert await count_jobs(someone) == 1


@pytest.mark.parametrize(
    "key", ["", " ", '""', "x" * 256, '"' + "x" * 256 + '"', "two words", '"open', "caf\u00e9", "tab\there"]
)
async def test_a_key_that_is_none_is_malformed(someone: Customer, key: str) -> None:
    answer = await someone.http.post(
        JOBS, json=dict(PICTURE), headers=[(b"x-api-key", someone.secret.encode()), (b"idempotency-key", key.encode())]
    )
    refused(answer, 400, "malformed_request")
    assert await count_jobs(someone) == 0


async def test_two_different_keys_in_one_request_are_malformed(someone: Customer) -> None:
    two = [(b"x-api-key", someone.secret.encode()), (b"idempotency-key", b"one"), (b"idempotency-key", b"two")]
    refused(await someone.http.post(JOBS, json=dict(PICTURE), headers=two), 400, "malformed_request")


@pytest.mark.parametrize("key", ["x", "x" * 255, "550e8400-e29b-41d4-a716-446655440000", "a:b/c?d=e&f[g]{h}", "'"])
async def test_a_key_of_visible_characters_is_taken(someone: Customer, key: str) -> None:
    assert (await someone.job(idempotency_key=key))["id"] == (await someone.job(idempotency_key=key))["id"]


async def test_fifty_concurrent_posts_with_one_key_make_one_job(someone: Customer) -> None:
    answers = await asyncio.gather(*(someone.submit(idempotency_key="k") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Counter(answer.headers.get("idempotent-replayed") for answer in answers) == {None: 1, "true": 49}
    assert await count_jobs(someone) == 1
    left = (await someone.me())["left"]
    assert left["units_today"] == 9
    assert left["submits"] >= 4, "of five, and what has come back since; had every replay spent one, most were refused"


async def test_replays_spend_neither_token_nor_quota_and_are_answered_when_both_are_gone(api: Api) -> None:
    someone = await customer_of(api, "free", submits_per_minute=1, units_per_day=1, queued_max=1)
    first = await someone.job(idempotency_key="k")
    for _ in range(3):
        again = await someone.submit(idempotency_key="k")
        assert (again.status_code, again.json()["id"]) == (202, first["id"])
        assert again.headers["x-ratelimit-remaining"] == "0"
    refused(await someone.submit(idempotency_key="another"), 429, "rate_limited")


async def test_a_refusal_is_not_remembered(make_api: MakeApi) -> None:
    full, api = await make_api(max_queue_size=1), await make_api()
    someone = await customer_of(full)
    await someone.job()
    pointers(await someone.submit({**PICTURE, "width": 1}, idempotency_key="k"))
    refused(await someone.submit(idempotency_key="k"), 503, "queue_full")
    accepted = await Customer(api.http, someone.secret).submit({**PICTURE, "steps": 9}, idempotency_key="k")
    assert accepted.status_code == 202
    assert "idempotent-replayed" not in accepted.headers


async def test_keys_belong_to_a_user_and_to_a_route(api: Api, someone: Customer) -> None:
    other = await customer_of(api)
    body = dict(PICTURE)
    mine = await someone.job(body, idempotency_key="k")
    theirs = await other.job(body, idempotency_key="k")
    elsewhere = await someone.post("/api/v1/generate", body, idempotency_key="k", prefer="respond-async")
    assert len({mine["id"], theirs["id"], elsewhere.json()["id"]}) == 3
    again = await someone.post("/api/v1/generate/", body, idempotency_key="k", prefer="respond-async")
    assert again.json()["id"] == elsewhere.json()["id"]


async def test_two_keys_of_one_user_share_their_idempotency_keys(api: Api, someone: Customer) -> None:
    user_id = (await someone.me())["id"]
    made = await api.http.post(
        "/admin/api-keys", json={"user_id": user_id, "name": "second"}, headers=await api.admin()
    )
    second = Customer(api.http, made.json()["api_key"])
    assert (await second.job(idempotency_key="k"))["id"] == (await someone.job(idempotency_key="k"))["id"]
