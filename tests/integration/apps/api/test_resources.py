"""Users, api keys, uploads, kinds and health, as their callers see them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from libs.access.api_key import DEFAULT_SCOPES, well_formed
from tests.fakes.api import Api, bearer
from tests.integration.apps.api.conftest import MakeApi
from tests.patience import PATIENCE_S

USERS, KEYS = "/admin/users", "/admin/api-keys"


async def new_user(api: Api, admin: dict[str, str], email: str = "someone@example.com", **more: Any) -> dict[str, Any]:
    answer = await api.http.post(USERS, json={"email": email, **more}, headers=admin)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{USERS}/{answer.json()['id']}"
    made: dict[str, Any] = answer.json()
    return made


async def test_two_calls_make_a_user_with_a_key_that_works(api: Api) -> None:
    admin = await api.admin()
    user = await new_user(api, admin, role="PRO")
    answer = await api.http.post(KEYS, json={"user_id": user["id"], "name": "ci"}, headers=admin)
    assert answer.status_code == 201
    made = answer.json()
    assert well_formed(made["api_key"])
    assert made["hint"] == f"{made['api_key'][:12]}…{made['api_key'][-4:]}"
    me = (await api.http.get("/api/v1/me", headers=bearer(made["api_key"]))).json()
    assert (me["id"], me["email"], me["plan"]) == (user["id"], "someone@example.com", "pro")
    assert me["api_key"] == {"id": made["id"], "name": "ci", "scopes": sorted(DEFAULT_SCOPES), "limits": {}}
    bytes_left = {"stored_bytes": me["limits"]["stored_bytes_max"], "records_bytes": me["limits"]["records_bytes_max"]}
    assert me["left"] == {"units_today": 100, **bytes_left, "submits": 20, "reads": 599, "uploads": 60}


@pytest.mark.parametrize("role", ["FREE", "free", "Pro", "INTERNAL"])
async def test_a_role_is_a_plan_in_any_letter_case(api: Api, role: str) -> None:
    assert (await new_user(api, await api.admin(), role=role))["role"] == role.lower()


async def test_without_a_role_a_user_is_free(api: Api) -> None:
    assert (await new_user(api, await api.admin()))["role"] == "free"


async def test_a_secret_is_shown_once(api: Api) -> None:
    admin = await api.admin()
    user = await new_user(api, admin)
    secret = (await api.http.post(KEYS, json={"user_id": user["id"], "name": "ci"}, headers=admin)).json()["api_key"]
    for path in (KEYS, f"{KEYS}?user_id={user['id']}"):
        answer = await api.http.get(path, headers=admin)
        assert secret not in answer.text
        assert all("api_key" not in entry for entry in answer.json()["data"])


@pytest.mark.parametrize(
    "body, pointer",
    [
        ({}, "#/email"),
        ({"email": "nobody"}, "#/email"),
        ({"email": "a b@c.d"}, "#/email"),
        ({"email": "x" * 251 + "@b.c"}, "#/email"),
        ({"email": "a@b.c", "role": "platinum"}, "#/role"),
        ({"email": "a@b.c", "role": 7}, "#/role"),
        ({"email": "a@b.c", "overrides": {"slots": -1}}, "#/overrides/slots"),
        ({"email": "a@b.c", "overrides": {"slots": None}}, "#/overrides/slots"),
        ({"email": "a@b.c", "overrides": {"gpus": 1}}, "#/overrides/gpus"),
    ],
)
async def test_a_user_who_is_not_valid_is_refused(api: Api, body: dict[str, Any], pointer: str) -> None:
    answer = await api.http.post(USERS, json=body, headers=await api.admin())
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_an_address_is_taken_once(api: Api) -> None:
    admin = await api.admin()
    await new_user(api, admin, "A@example.com")
    answer = await api.http.post(USERS, json={"email": "a@EXAMPLE.com"}, headers=admin)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


async def test_overrides_count_for_their_user(api: Api) -> None:
    admin = await api.admin()
    user = await new_user(api, admin, overrides={"units_per_day": None, "reads_per_minute": 7})
    secret = (await api.http.post(KEYS, json={"user_id": user["id"], "name": "ci"}, headers=admin)).json()["api_key"]
    answer = await api.http.get("/api/v1/me", headers=bearer(secret))
    assert answer.headers["x-ratelimit-limit"] == "7"
    assert answer.json()["limits"]["units_per_day"] is None
    assert answer.json()["left"]["units_today"] is None


@pytest.mark.parametrize("path", [f"{USERS}/usr_00000000000000000000000000", f"{USERS}/nonsense"])
async def test_a_user_who_is_not_there_is_not_found(api: Api, path: str) -> None:
    admin = await api.admin()
    assert (await api.http.get(path, headers=admin)).status_code == 404
    assert (await api.http.patch(path, json={"role": "pro"}, headers=admin)).status_code == 404


@pytest.mark.parametrize(
    "changes, status",
    [
        ({"user_id": "usr_00000000000000000000000000"}, 404),
        ({"name": ""}, 422),
        ({"name": "x" * 101}, 422),
        ({"scopes": []}, 422),
        ({"scopes": ["jobs:raed"]}, 422),
        ({"expires_in_days": 0}, 422),
        ({"secret": "mine"}, 422),
    ],
)
async def test_a_key_that_is_not_valid_is_not_made(api: Api, changes: dict[str, Any], status: int) -> None:
    admin = await api.admin()
    user = await new_user(api, admin)
    answer = await api.http.post(KEYS, json={"user_id": user["id"], "name": "ci", **changes}, headers=admin)
    assert answer.status_code == status
    assert (await api.http.get(f"{KEYS}?user_id={user['id']}", headers=admin)).json()["data"] == []


async def test_pages_follow_their_links_to_the_end(api: Api) -> None:
    admin = await api.admin()
    made = {(await new_user(api, admin, f"{n}@example.com"))["id"] for n in range(5)}
    seen: list[str] = []
    path: str | None = f"{USERS}?limit=2"
    while path:
        answer = await api.http.get(path, headers=admin)
        page = answer.json()
        seen += [user["id"] for user in page["data"]]
        assert page["has_more"] is ("next" in answer.links) is (page["next_cursor"] is not None)
        path = answer.links["next"]["url"] if page["has_more"] else None
    assert len(seen) == len(set(seen)) == 6
    assert made < set(seen)


async def test_a_cursor_is_good_for_its_own_list_and_caller_only(api: Api) -> None:
    admin = await api.admin()
    await new_user(api, admin)
    cursor = (await api.http.get(f"{USERS}?limit=1", headers=admin)).json()["next_cursor"]
    assert (await api.http.get(KEYS, params={"cursor": cursor}, headers=admin)).status_code == 400
    assert (await api.http.get(USERS, params={"cursor": cursor}, headers=await api.admin())).status_code == 400


# Uploads

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001"
    "00ffff03000006000557bfabd40000000049454e44ae426082"
)


@pytest.mark.parametrize("path", ["/api/v1/uploads", "/api/uploads/initiate"])
async def test_a_file_is_put_straight_into_the_object_store_and_then_looked_at(api: Api, path: str) -> None:
    headers = bearer(await api.key())
    wanted = {"filename": "page.png", "content_type": "image/png", "size_bytes": len(PNG)}
    answer = await api.http.post(path, json=wanted, headers=headers)
    made = answer.json()
    assert (answer.status_code, made["status"], made["method"]) == (201, "pending", "PUT")
    assert answer.headers["x-ratelimit-limit"] == "10"
    early = await api.http.post(made["links"]["complete"], headers=headers)
    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    async with httpx.AsyncClient(timeout=PATIENCE_S) as outside:
        assert (await outside.put(made["url"], content=PNG, headers=made["headers"])).status_code == 200
    done = (await api.http.post(made["links"]["complete"], headers=headers)).json()
    assert (done["status"], done["size_bytes"], len(done["sha256"])) == ("completed", len(PNG), 64)
    assert (await api.http.get(answer.headers["location"], headers=headers)).json() == done


async def test_an_upload_is_nobody_elses(api: Api) -> None:
    wanted = {"filename": "page.png", "content_type": "image/png", "size_bytes": 10}
    made = (await api.http.post("/api/v1/uploads", json=wanted, headers=bearer(await api.key()))).json()
    other = bearer(await api.key())
    for answer in (
        await api.http.get(made["links"]["self"], headers=other),
        await api.http.post(made["links"]["complete"], headers=other),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_ten_uploads_a_minute_are_enough_for_free(api: Api) -> None:
    headers = bearer(await api.key())
    wanted = {"filename": "page.png", "content_type": "image/png", "size_bytes": 10}
    answers = [await api.http.post("/api/v1/uploads", json=wanted, headers=headers) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [201] * 10 + [429]
    assert answers[-1].json()["violated-policies"] == ["uploads"]


async def test_uploads_may_be_switched_off(make_api: MakeApi) -> None:
    api = await make_api(uploads_enabled=False)
    answer = await api.http.post("/api/v1/uploads", json={}, headers=bearer(await api.key()))
    assert (answer.status_code, answer.json()["code"]) == (503, "feature_disabled")


# Kinds and health


async def test_kinds_tell_what_they_take(api: Api) -> None:
    headers = bearer(await api.key())
    kinds = (await api.http.get("/api/v1/kinds", headers=headers)).json()["data"]
    generate = next(kind for kind in kinds if kind["name"] == "generate")
    assert generate["input_schema"]["properties"]["prompt"]["maxLength"] == 5_000
    assert generate["offers"] is None
    assert (await api.http.get("/api/v1/kinds/generate", headers=headers)).json() == generate
    assert (await api.http.get("/api/v1/kinds/nonsense", headers=headers)).status_code == 404


async def test_kinds_tell_what_their_backend_lists_now(api: Api) -> None:
    store = api.resources.cells.shared
    await store.call("SET", store.keys.catalogue + "comfyui", '{"models":["one.safetensors"]}')
    headers = bearer(await api.key())
    assert (await api.http.get("/api/v1/kinds/generate", headers=headers)).json()["offers"] == {
        "models": ["one.safetensors"]
    }


async def test_a_whole_system_is_healthy_and_ready(api: Api) -> None:
    assert (await api.http.get("/ping")).json() == {"ok": True}
    health = await api.http.get("/health")
    told = health.json()
    assert all(0 <= age_s < 5 for age_s in told.pop("checked_seconds_ago").values())
    assert told == {"status": "healthy", "version": "1.0.0", "checks": {"redis": "up", "objects": "up"}}
    assert (await api.http.get("/api/health")).json() == health.json()
    assert (await api.http.get("/ready")).json() == {"ready": True}


async def test_without_the_object_store_it_is_degraded_and_not_ready(make_api: MakeApi) -> None:
    api = await make_api(minio_endpoint="127.0.0.1:9")
    health = await api.http.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert health.json()["checks"] == {"redis": "up", "objects": "away"}
    ready = await api.http.get("/ready")
    assert (ready.status_code, ready.json()["code"]) == (503, "dependency_unavailable")
    assert int(ready.headers["retry-after"]) >= 1
    assert 'arqade_dependency_up{part="objects"} 0.0' in (await api.http.get("/metrics")).text


async def test_metrics_may_be_closed_on_this_port(make_api: MakeApi) -> None:
    assert (await (await make_api(metrics_public=False)).http.get("/metrics")).status_code == 404


async def test_every_problem_leads_to_its_entry_of_the_catalogue(api: Api) -> None:
    where = (await api.http.get("/nowhere")).json()["type"]
    page = await api.http.get(where)
    assert f'id="{where.partition("#")[2]}"' in page.text
    assert page.headers["content-security-policy"] == "default-src 'none'"
