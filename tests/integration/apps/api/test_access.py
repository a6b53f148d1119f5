from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from apps.api.routes import ROUTES
from apps.api.routing import PUBLIC
from libs.access.api_key import mint
from tests.fakes.api import Api, bearer
from tests.integration.apps.api.conftest import MakeApi
from tests.run.promises import Prompt

ME = "/api/v1/me"


def code_of(answer: httpx.Response) -> tuple[int, str]:
    body: dict[str, Any] = answer.json()
    return answer.status_code, body["code"]


async def test_no_credential_is_asked_for_one_and_no_error_named(api: Api) -> None:
    answer = await api.http.get(ME)
    assert code_of(answer) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer realm="arqade"'


@pytest.mark.parametrize("header", ["Authorization", "x-api-key"])
async def test_a_key_works_in_either_header(api: Api, header: str) -> None:
    secret = await api.key()
    value = f"Bearer {secret}" if header == "Authorization" else secret
    assert (await api.http.get(ME, headers={header: value})).status_code == 200


async def test_unknown_expired_and_revoked_keys_and_garbage_get_the_same_answer(api: Api) -> None:
    admin = await api.admin()
    store = api.resources.cells.shared
    expired, revoked = await api.key(), await api.key()
    keys = (await api.http.get("/admin/api-keys", headers=admin)).json()["data"]
    by_hint = {key["hint"][-4:]: key["id"] for key in keys}
    hashed = await store.call("GET", store.keys.api_key_id + by_hint[expired[-4:]])
    await store.call("HSET", store.keys.api_key + hashed.decode(), "expires", 1)
    await api.http.delete(f"/admin/api-keys/{by_hint[revoked[-4:]]}", headers=admin)
    told = set()
    for secret in (mint(), expired, revoked, "garbage", "aq_live_"):
        answer = await api.http.get(ME, headers={"x-api-key": secret, "x-request-id": "the-same-id"})
        assert code_of(answer) == (401, "invalid_token")
        assert answer.headers["www-authenticate"] == 'Bearer realm="arqade", error="invalid_token"'
        told.add(answer.text)
    assert len(told) == 1


async def test_two_credentials_or_a_malformed_one_are_the_requests_fault(api: Api) -> None:
    secret = await api.key()
    for headers in ({"x-api-key": secret, **bearer(secret)}, {"Authorization": "Bearer"}, {"Authorization": secret}):
        answer = await api.http.get(ME, headers=headers)
        assert code_of(answer) == (400, "invalid_request")
        assert answer.headers["www-authenticate"] == 'Bearer realm="arqade", error="invalid_request"'


async def test_garbage_never_reaches_redis(api: Api) -> None:
    store = api.resources.cells.shared
    await store.call("CONFIG", "RESETSTAT")
    for secret in ("garbage", "aq_live_" + "x" * 49, mint() + "x"):
        assert (await api.http.get(ME, headers={"x-api-key": secret})).status_code == 401
    commands = (await store.call("INFO", "commandstats")).decode()
    assert "evalsha" not in commands
    assert "cmdstat_hget" not in commands


async def test_a_scope_that_is_missing_is_named(api: Api) -> None:
    secret = await api.key(scopes=frozenset({"jobs:read"}))
    answer = await api.http.get("/admin/users", headers=bearer(secret))
    assert code_of(answer) == (403, "insufficient_scope")
    assert answer.headers["www-authenticate"].endswith('error="insufficient_scope", scope="admin"')
    assert answer.headers["x-ratelimit-remaining"] == "120"


async def test_a_revoked_key_is_refused_at_once_however_fresh_the_memory_of_it(api: Api) -> None:
    admin, secret = await api.admin(), await api.key()
    assert (await api.http.get(ME, headers=bearer(secret))).status_code == 200
    key_id = (await api.http.get(ME, headers=bearer(secret))).json()["api_key"]["id"]
    revoked = await api.http.delete(f"/admin/api-keys/{key_id}", headers=admin)
    assert revoked.json()["revoked_at"]
    answer = await api.http.get(ME, headers=bearer(secret))
    assert code_of(answer) == (401, "invalid_token")


async def test_a_process_that_heard_nothing_refuses_a_revoked_key_all_the_same(make_api: MakeApi) -> None:
    api, deaf = await make_api(), await make_api()
    for task in deaf.resources.background:
        task.cancel()
    admin, secret = await api.admin(), await api.key()
    me = (await deaf.http.get(ME, headers=bearer(secret))).json()
    await api.http.delete(f"/admin/api-keys/{me['api_key']['id']}", headers=admin)
    assert code_of(await deaf.http.get(ME, headers=bearer(secret))) == (401, "invalid_token")


async def test_a_suspended_user_is_cut_off_at_once_and_may_come_back(api: Api) -> None:
    admin, secret = await api.admin(), await api.key()
    user = (await api.http.get(ME, headers=bearer(secret))).json()["id"]
    await api.http.patch(f"/admin/users/{user}", headers=admin, json={"status": "suspended"})
    assert code_of(await api.http.get(ME, headers=bearer(secret))) == (401, "invalid_token")
    await api.http.patch(f"/admin/users/{user}", headers=admin, json={"status": "active"})
    assert (await api.http.get(ME, headers=bearer(secret))).status_code == 200


async def test_a_changed_plan_counts_within_a_second(api: Api, prompt: Prompt) -> None:
    admin, secret = await api.admin(), await api.key()
    user = (await api.http.get(ME, headers=bearer(secret))).json()["id"]
    await api.http.patch(f"/admin/users/{user}", headers=admin, json={"role": "PRO"})
    with prompt(1):
        while (await api.http.get(ME, headers=bearer(secret))).headers["x-ratelimit-limit"] != "600":
            await asyncio.sleep(0.01)


async def test_public_routes_answer_whatever_the_credential_is(api: Api) -> None:
    for headers in ({"x-api-key": "garbage"}, {"Authorization": "Bearer"}, bearer(mint())):
        assert (await api.http.get("/ping", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "one", [one for one in ROUTES if one.scope != PUBLIC], ids=lambda one: f"{one.method} {one.path}"
)
async def test_no_guarded_route_answers_without_a_key_or_with_garbage(api: Api, one: Any) -> None:
    for template in (one.path, *one.aliases, one.path + "/"):
        path = template.replace("{", "").replace("}", "")
        assert code_of(await api.http.request(one.method, path)) == (401, "unauthorized")
        assert code_of(await api.http.request(one.method, path, headers=bearer(mint()))) == (401, "invalid_token")


async def test_with_keys_switched_off_everybody_is_a_local_user_and_no_admin(make_api: MakeApi) -> None:
    api = await make_api(auth_enabled=False)
    me = (await api.http.get(ME)).json()
    assert (me["plan"], me["email"]) == ("internal", "local@localhost")
    assert code_of(await api.http.get("/admin/users")) == (403, "insufficient_scope")
