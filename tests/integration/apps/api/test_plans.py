"""Plans as data: a file at the start, an admin's changes while it runs, and what they do to jobs that wait already."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from apps.api.answers.admin import User
from libs.access.plan import DEFAULT_PLANS
from libs.access.plan_numbers import numbers_of
from libs.jobs.lifecycle import claim
from tests.fakes.api import Api, bearer
from tests.fakes.customers import Customer, customer_of
from tests.fakes.hands import FLEET
from tests.fakes.problems import pointers, refused
from tests.integration.apps.api.conftest import MakeApi
from tests.patience import PATIENCE_S

PLANS = "/admin/plans"
PRO = numbers_of(DEFAULT_PLANS["pro"])


@pytest.fixture
async def admin(api: Api) -> dict[str, str]:
    return await api.admin()


async def plans_of(api: Api, admin: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {plan["name"]: plan for plan in (await api.http.get(PLANS, headers=admin)).json()["data"]}


async def limit_becomes(someone: Customer, text: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await someone.get("/api/v1/me")).headers["x-ratelimit-limit"] != text:
            await asyncio.sleep(0.01)


async def test_the_plans_are_the_defaults_until_somebody_says_otherwise(api: Api, admin: dict[str, str]) -> None:
    found = await plans_of(api, admin)
    assert found == {name: {"name": name, **numbers_of(plan)} for name, plan in DEFAULT_PLANS.items()}


async def test_plans_come_in_pages(api: Api, admin: dict[str, str]) -> None:
    seen, path = [], f"{PLANS}?limit=2"
    while path:
        answer = await api.http.get(path, headers=admin)
        seen += [plan["name"] for plan in answer.json()["data"]]
        path = answer.links["next"]["url"] if answer.json()["has_more"] else ""
    assert seen == ["free", "internal", "pro"]


async def test_a_changed_plan_counts_for_all_its_users_within_a_second_and_in_every_process(make_api: MakeApi) -> None:
    one, other = await make_api(), await make_api()
    admin, someone = await one.admin(), await customer_of(one, "pro")
    elsewhere = Customer(other.http, someone.secret)
    await limit_becomes(elsewhere, "600")
    answer = await one.http.put(f"{PLANS}/PRO", json=PRO | {"reads_per_minute": 77}, headers=admin)
    assert (answer.status_code, answer.json()["name"]) == (200, "pro")
    for each in (someone, elsewhere):
        await limit_becomes(each, "77")


async def test_a_new_plan_may_be_given_to_users(api: Api, admin: dict[str, str]) -> None:
    wanted = PRO | {"reads_per_minute": None, "units_per_day": 7}
    assert (await api.http.put(f"{PLANS}/gold-2", json=wanted, headers=admin)).status_code == 200
    someone = await customer_of(api)
    user_id = (await someone.me())["id"]
    answer = await api.http.patch(f"/admin/users/{user_id}", json={"role": "GOLD-2"}, headers=admin)
    assert answer.json()["role"] == "gold-2"
    await limit_becomes(someone, "10000")
    assert (await someone.me())["left"]["units_today"] == 7


@pytest.mark.parametrize(
    "changes, pointer",
    [
        ({"weight": 0}, "#/weight"),
        ({"submits_per_minute": 0}, "#/submits_per_minute"),
        ({"slots": None}, "#/slots"),
        ({"slots": 0}, "#/slots"),
        ({"slots": 1.5}, "#/slots"),
        ({"retention_s": 2**62}, "#/retention_s"),
        ({"artifact_url_ttl_s": 0}, "#/artifact_url_ttl_s"),
        ({"gpus": 1}, "#/gpus"),
    ],
)
async def test_a_plan_that_could_not_hold_is_refused_and_nothing_changes(
    api: Api, admin: dict[str, str], changes: dict[str, Any], pointer: str
) -> None:
    before = await plans_of(api, admin)
    assert set(pointers(await api.http.put(f"{PLANS}/pro", json=PRO | changes, headers=admin))) == {pointer}
    assert await plans_of(api, admin) == before


async def test_a_plan_is_given_whole(api: Api, admin: dict[str, str]) -> None:
    answer = await api.http.put(f"{PLANS}/pro", json={"slots": 1}, headers=admin)
    later = {
        "stored_bytes_max",
        "records_bytes_max",
        "shares_results",
        "attempts_per_submit",
    }  # not there from the start
    assert set(pointers(answer)) == {f"#/{name}" for name in PRO.keys() - later - {"slots"}}


@pytest.mark.parametrize("name", ["9lives", "x" * 33, "a b", "%2e%2e"])
async def test_a_name_that_no_plan_can_have_is_not_found(api: Api, admin: dict[str, str], name: str) -> None:
    refused(await api.http.put(f"{PLANS}/{name}", json=PRO, headers=admin), 404, "not_found")


async def test_there_are_a_hundred_plans_at_most(api: Api, admin: dict[str, str]) -> None:
    store = api.resources.store
    members = [word for n in range(100) for word in (f"p{n}", orjson.dumps(PRO))]
    await store.call("HSET", store.keys.plans, *members)
    refused(await api.http.put(f"{PLANS}/another", json=PRO, headers=admin), 409, "conflict")
    assert (await api.http.put(f"{PLANS}/p7", json=PRO, headers=admin)).status_code == 200


# What waits already


async def ready(api: Api, queue: str = "gpu") -> int:
    store = api.resources.store
    return int(await store.call("ZCOUNT", store.keys.zset_of(queue), "-inf", "(1e12"))


async def test_a_raised_cap_lets_waiting_jobs_move_up_at_once(api: Api, admin: dict[str, str]) -> None:
    someone = await customer_of(api, "internal", slots=1)
    for _ in range(5):
        await someone.job()
    assert await ready(api) == 1
    user_id = (await someone.me())["id"]
    await api.http.patch(f"/admin/users/{user_id}", json={"overrides": {"slots": 4}}, headers=admin)
    assert await ready(api) == 4
    assert len((await claim(api.resources.store, "w", ["gpu"], 10, 30, servers=FLEET)).jobs) == 4


async def test_every_sort_of_override_is_told_as_the_document_says(api: Api, admin: dict[str, str]) -> None:
    made = (await api.http.post("/admin/users", json={"email": "a@example.com"}, headers=admin)).json()
    changed = {"slots": 2, "units_per_day": None, "shares_results": True}
    user = (await api.http.patch(f"/admin/users/{made['id']}", json={"overrides": changed}, headers=admin)).json()
    assert user["overrides"] == changed
    User.model_validate(user, strict=True)


async def test_a_changed_plan_reaches_the_shares_of_its_users_and_of_nobody_else(
    api: Api, admin: dict[str, str]
) -> None:
    pro, own, free = (
        await customer_of(api, "pro"),
        await customer_of(api, "pro", slots=2),
        await customer_of(api, "free"),
    )
    for each in (pro, own, free):
        await each.job()
    await api.http.put(f"{PLANS}/pro", json=PRO | {"weight": 9, "slots": 5}, headers=admin)
    store = api.resources.store
    for each, expected in ((pro, [b"9", b"5"]), (own, [b"9", b"2"]), (free, [b"1", b"1"])):
        share = f"{store.keys.share}{(await each.me())['id']}:gpu"
        assert await store.call("HMGET", share, "weight", "cap") == expected


async def test_a_user_who_never_submitted_gets_no_share_by_a_change(api: Api, admin: dict[str, str]) -> None:
    someone = await customer_of(api, "pro")
    user_id = (await someone.me())["id"]
    await api.http.patch(f"/admin/users/{user_id}", json={"role": "free"}, headers=admin)
    store = api.resources.store
    assert await store.call("EXISTS", f"{store.keys.share}{user_id}:gpu") == 0


async def test_many_changes_at_once_leave_the_share_as_the_user_is(api: Api, admin: dict[str, str]) -> None:
    someone = await customer_of(api)
    await someone.job()
    user_id = (await someone.me())["id"]
    await asyncio.gather(
        *[
            api.http.patch(f"/admin/users/{user_id}", json={"overrides": {"slots": n}}, headers=admin)
            for n in range(1, 21)
        ]
    )
    user = (await api.http.get(f"/admin/users/{user_id}", headers=admin)).json()
    store = api.resources.store
    cap = await store.call("HGET", f"{store.keys.share}{user_id}:gpu", "cap")
    assert int(cap) == user["overrides"]["slots"]


# A file at the start


async def test_plans_may_come_from_a_file(make_api: MakeApi, tmp_path: Path) -> None:
    path = tmp_path / "plans.json"
    path.write_bytes(orjson.dumps({"free": PRO | {"reads_per_minute": 5}, "gold": PRO}))
    api = await make_api(plans_file=path)
    assert set(await plans_of(api, await api.admin())) == {"free", "pro", "internal", "gold"}
    secret = await api.key("free")
    assert (await api.http.get("/api/v1/me", headers=bearer(secret))).headers["x-ratelimit-limit"] == "5"
    answer = await api.http.post(
        "/admin/users", json={"email": "a@example.com", "role": "gold"}, headers=await api.admin()
    )
    assert answer.status_code == 201


async def test_an_admins_word_goes_over_the_file(make_api: MakeApi, tmp_path: Path) -> None:
    path = tmp_path / "plans.json"
    path.write_bytes(orjson.dumps({"pro": PRO | {"slots": 5}}))
    before = await make_api()
    await before.http.put(f"{PLANS}/pro", json=PRO | {"slots": 8}, headers=await before.admin())
    after = await make_api(plans_file=path)
    assert (await plans_of(after, await after.admin()))["pro"]["slots"] == 8
