"""API keys as an admin handles them: rotation, own rates, networks, peppers, when they were last used."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from libs.access.api_key import mint
from libs.access.pepper import pepper_version
from tests.fakes.api import PEPPER, Api, bearer
from tests.fakes.problems import pointers, refused
from tests.integration.apps.api.conftest import MakeApi
from tests.patience import PATIENCE_S

ME, KEYS = "/api/v1/me", "/admin/api-keys"
DAY_MS = 86_400_000


@pytest.fixture
async def admin(api: Api) -> dict[str, str]:
    return await api.admin()


async def new_key(api: Api, admin: dict[str, str], plan: str = "pro", **more: Any) -> dict[str, Any]:
    """A key of a new user, as it was answered."""
    user = await api.http.post("/admin/users", json={"email": f"{mint()}@example.com", "role": plan}, headers=admin)
    wanted = {"user_id": user.json()["id"], "name": "ci", **more}
    answer = await api.http.post(KEYS, json=wanted, headers=admin)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def me(api: Api, secret: str) -> httpx.Response:
    return await api.http.get(ME, headers=bearer(secret))


async def rotate(api: Api, admin: dict[str, str], key_id: str, **body: Any) -> httpx.Response:
    return await api.http.post(f"{KEYS}/{key_id}/rotate", json=body, headers=admin)


async def listed(api: Api, admin: dict[str, str], key: dict[str, Any]) -> dict[str, Any]:
    page = (await api.http.get(f"{KEYS}?user_id={key['user_id']}", headers=admin)).json()
    found: dict[str, Any] = next(one for one in page["data"] if one["id"] == key["id"])
    return found


async def at_ms(api: Api) -> int:
    seconds, micros = await api.resources.store.call("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


async def test_one_key_is_shown_without_its_secret_where_its_making_said(api: Api, admin: dict[str, str]) -> None:
    user = (await api.http.post("/admin/users", json={"email": "one@example.com"}, headers=admin)).json()
    made = await api.http.post(KEYS, json={"user_id": user["id"], "name": "ci"}, headers=admin)
    shown = await api.http.get(made.headers["location"], headers=admin)
    assert shown.json() == {name: value for name, value in made.json().items() if name != "api_key"}
    refused(await api.http.get(f"{KEYS}/{shown.json()['id'][:-1]}0", headers=admin), 404, "not_found")


# Rotation


async def test_a_successor_is_alike_and_both_are_good_for_a_day(api: Api, admin: dict[str, str]) -> None:
    networks, rates = ["127.0.0.0/8"], {"reads_per_minute": 50}
    old = await new_key(api, admin, scopes=["jobs:read"], addresses=networks, limits=rates)
    answer = await api.http.post(f"{KEYS}/{old['id']}/rotate", headers=admin)
    assert answer.status_code == 201
    new = answer.json()
    assert new["api_key"] != old["api_key"]
    same = ("user_id", "name", "scopes", "addresses", "limits")
    assert {name: new[name] for name in same} == {name: old[name] for name in same}
    assert new["replaces"] == old["id"]
    for secret in (old["api_key"], new["api_key"]):
        assert (await me(api, secret)).status_code == 200
    was = await listed(api, admin, old)
    assert was["replaced_by"] == new["id"]
    store = api.resources.store
    hashed = (await store.call("GET", store.keys.api_key_id + old["id"])).decode()
    revoked = int(await store.call("HGET", store.keys.api_key + hashed, "revoked"))
    assert abs(revoked - await at_ms(api) - DAY_MS) < 60_000


async def test_a_rotation_without_a_body_is_one_whatever_type_it_names(api: Api, admin: dict[str, str]) -> None:
    for headers in ({}, {"Content-Type": "application/json"}, {"Content-Type": "text/plain"}):
        old = await new_key(api, admin)
        assert (await api.http.post(f"{KEYS}/{old['id']}/rotate", headers=admin | headers)).status_code == 201
    old = await new_key(api, admin)
    answer = await api.http.post(f"{KEYS}/{old['id']}/rotate", content=b"a=1", headers=admin)
    refused(answer, 415, "unsupported_media_type")


async def test_without_an_overlap_the_old_key_is_refused_at_once(api: Api, admin: dict[str, str]) -> None:
    old = await new_key(api, admin)
    assert (await me(api, old["api_key"])).status_code == 200
    new = (await rotate(api, admin, old["id"], overlap_seconds=0)).json()
    refused(await me(api, old["api_key"]), 401, "invalid_token")
    assert (await me(api, new["api_key"])).status_code == 200


async def test_when_the_overlap_is_over_the_old_key_is_refused(api: Api, admin: dict[str, str]) -> None:
    old = await new_key(api, admin)
    await rotate(api, admin, old["id"], overlap_seconds=1)
    assert (await me(api, old["api_key"])).status_code == 200
    async with asyncio.timeout(PATIENCE_S):
        while (await me(api, old["api_key"])).status_code == 200:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("body", [{"overlap_seconds": -1}, {"overlap_seconds": 604_801}, {"days": 1}])
async def test_an_overlap_lasts_up_to_a_week(api: Api, admin: dict[str, str], body: dict[str, int]) -> None:
    old = await new_key(api, admin)
    assert (await rotate(api, admin, old["id"], **body)).status_code == 422
    assert (await rotate(api, admin, old["id"], overlap_seconds=604_800)).status_code == 201


async def test_what_was_rotated_or_revoked_is_not_rotated_again(api: Api, admin: dict[str, str]) -> None:
    old = await new_key(api, admin)
    new = (await rotate(api, admin, old["id"])).json()
    refused(await rotate(api, admin, old["id"]), 409, "conflict")
    await api.http.delete(f"{KEYS}/{new['id']}", headers=admin)
    refused(await rotate(api, admin, new["id"]), 409, "conflict")
    refused(await rotate(api, admin, "apikey_00000000000000000000000000"), 404, "not_found")


async def test_a_hundred_at_once_rotate_a_key_once(api: Api, admin: dict[str, str]) -> None:
    old = await new_key(api, admin)
    answers = await asyncio.gather(*[rotate(api, admin, old["id"]) for _ in range(100)])
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 99


# Own rates


async def test_a_keys_own_rate_is_a_bucket_within_its_users(api: Api, admin: dict[str, str]) -> None:
    slow = await new_key(api, admin, limits={"reads_per_minute": 2})
    fast = await api.http.post(KEYS, json={"user_id": slow["user_id"], "name": "fast"}, headers=admin)
    for left in ("1", "0"):
        headers = (await me(api, slow["api_key"])).headers
        assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("2", left)
        assert headers["ratelimit-policy"] == '"reads";q=2;w=60'
    answer = await me(api, slow["api_key"])
    assert refused(answer, 429, "rate_limited")["violated-policies"] == ["reads"]
    headers = (await me(api, fast.json()["api_key"])).headers
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("600", "597")


async def test_the_users_bucket_still_counts_for_a_key_with_a_rate_of_its_own(api: Api, admin: dict[str, str]) -> None:
    keys = [await new_key(api, admin, "free", limits={"reads_per_minute": 119})]
    user_id = keys[0]["user_id"]
    await api.http.patch(f"/admin/users/{user_id}", json={"overrides": {"reads_per_minute": 3}}, headers=admin)
    told = [await me(api, keys[0]["api_key"]) for _ in range(4)]
    assert [answer.status_code for answer in told] == [200, 200, 200, 429]
    assert told[-1].headers["x-ratelimit-limit"] == "3"


async def test_submissions_have_the_keys_own_rate_too(api: Api, admin: dict[str, str]) -> None:
    key = await new_key(api, admin, limits={"submits_per_minute": 1})
    body = {"prompt": "a lighthouse", "width": 64, "height": 64}
    answers = [await api.http.post("/api/v1/jobs", json=body, headers=bearer(key["api_key"])) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 429]
    assert answers[0].headers["ratelimit-policy"] == '"submits";q=1;w=60, "jobs";q=100;w=86400'
    assert 59 <= int(answers[1].headers["retry-after"]) <= 60


@pytest.mark.parametrize("rate, status", [(600, 201), (601, 422), (0, 422), (None, 201)])
async def test_no_key_has_a_higher_rate_than_its_user(
    api: Api, admin: dict[str, str], rate: int | None, status: int
) -> None:
    key = await new_key(api, admin)
    wanted = {"user_id": key["user_id"], "name": "ci", "limits": {"reads_per_minute": rate}}
    answer = await api.http.post(KEYS, json=wanted, headers=admin)
    assert answer.status_code == status
    if rate == 601:
        assert pointers(answer) == {"#/limits/reads_per_minute": "over_plan"}


async def test_me_tells_a_keys_own_rates(api: Api, admin: dict[str, str]) -> None:
    key = await new_key(api, admin, limits={"reads_per_minute": 9})
    told = (await me(api, key["api_key"])).json()
    assert told["api_key"]["limits"] == {"reads_per_minute": 9}
    assert told["left"]["reads"] == 8


# Networks


async def test_a_key_is_good_from_its_networks_only_and_looks_unknown_elsewhere(
    api: Api, admin: dict[str, str]
) -> None:
    inside = await new_key(api, admin, addresses=["10.0.0.0/8", "127.0.0.1"])
    outside = await new_key(api, admin, addresses=["10.0.0.0/8", "2001:db8::/32"])
    assert inside["addresses"] == ["10.0.0.0/8", "127.0.0.1/32"]
    assert (await me(api, inside["api_key"])).status_code == 200
    for _ in range(2):
        refused(await me(api, outside["api_key"]), 401, "invalid_token")


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1/8"], ["nowhere"], ["10.0.0.0/33"], ["10.0.0.0/8"] * 21, [""], "10.0.0.0/8"]
)
async def test_networks_that_are_none_are_refused(api: Api, admin: dict[str, str], addresses: Any) -> None:
    key = await new_key(api, admin)
    wanted = {"user_id": key["user_id"], "name": "ci", "addresses": addresses}
    assert all(pointer.startswith("#/addresses") for pointer in pointers(await api.http.post(
        KEYS, json=wanted, headers=admin)))  # fmt: skip


# Peppers


async def test_keys_of_a_former_pepper_stay_good_while_it_is_named(make_api: MakeApi) -> None:
    before = await make_api()
    secret = await before.key()
    fresh = "another pepper that is long enough for tests"
    after = await make_api(api_key_pepper=fresh, api_key_pepper_previous=f"some other one,{PEPPER}")
    for _ in range(2):
        assert (await me(after, secret)).status_code == 200
    forgotten = await make_api(api_key_pepper=fresh)
    refused(await me(forgotten, secret), 401, "invalid_token")


async def test_the_list_tells_which_pepper_a_key_needs(make_api: MakeApi) -> None:
    api = await make_api()
    admin = await api.admin()
    key = await new_key(api, admin)
    fresh = "another pepper that is long enough for tests"
    after = await make_api(api_key_pepper=fresh, api_key_pepper_previous=PEPPER)
    successor = (await rotate(after, admin, key["id"])).json()
    assert (await listed(after, admin, key))["pepper"] == pepper_version(PEPPER.encode())
    assert successor["pepper"] == pepper_version(fresh.encode())
    assert (await me(after, successor["api_key"])).status_code == 200


# Last use


async def test_when_a_key_was_last_used_is_known_soon_and_costs_no_request_anything(
    api: Api, admin: dict[str, str]
) -> None:
    key = await new_key(api, admin)
    assert (await listed(api, admin, key))["last_used_at"] is None
    began = await at_ms(api)
    assert (await me(api, key["api_key"])).status_code == 200
    async with asyncio.timeout(PATIENCE_S):
        while (used := (await listed(api, admin, key))["last_used_at"]) is None:
            await asyncio.sleep(0.05)
    assert began <= await at_ms(api)
    assert used >= key["created_at"]


async def test_a_redis_that_is_away_is_never_taken_for_a_bad_key_nor_for_a_good_one(make_api: MakeApi) -> None:
    api = await make_api("redis://127.0.0.1:1/0")
    for headers in (bearer(mint()), {"x-api-key": mint(admin=True)}):
        refused(await api.http.get(ME, headers=headers), 503, "dependency_unavailable")
        refused(await api.http.get("/admin/users", headers=headers), 503, "dependency_unavailable")
