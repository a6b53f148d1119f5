"""Erasing a user: everything of theirs goes, what admins did stays, and nobody else loses anything."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from libs.access.users import begin_erasure
from libs.accounts.erase import erase_some
from libs.accounts.stays import what_stays
from libs.artifacts.names import artifact_name, attempt_prefix
from libs.artifacts.uploads import expire_uploads
from libs.audit.chain import verify
from libs.errors import Unavailable
from libs.store.client import Store
from libs.store.replies import ReplyError
from tests.fakes.api import Api, bearer
from tests.fakes.customers import COMPARED, COMPARISONS, JOBS, PICTURE, Customer, customer_of
from tests.fakes.hands import end, start
from tests.fakes.problems import refused
from tests.patience import PATIENCE_S

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001"
    "00ffff03000006000557bfabd40000000049454e44ae426082"
)


@pytest.fixture
async def admin(api: Api) -> dict[str, str]:
    return await api.admin()


async def upload(someone: Customer, *, complete: bool) -> dict[str, Any]:
    file = {"filename": "a secret name.png", "content_type": "image/png", "size_bytes": len(PNG)}
    made: dict[str, Any] = (await someone.post("/api/v1/uploads", file)).json()
    if complete:
        async with httpx.AsyncClient(timeout=PATIENCE_S) as outside:
            await outside.put(made["url"], content=PNG, headers=made["headers"])
        assert (await someone.post(made["links"]["complete"])).status_code == 200
    return made


async def live_a_life(api: Api, someone: Customer) -> str:
    """Jobs of every end, an artifact, uploads, usage: the user's id."""
    store, user_id = api.resources.store, str((await someone.me())["id"])
    done = await someone.job(idempotency_key="once")
    claimed = await start(store)
    name = artifact_name(attempt_prefix(user_id, done["id"], 1, 1), 0, "0" * 64, "png")
    await api.resources.objects.put(name, PNG, "image/png")
    await end(store, claimed)
    canceled = await someone.job()
    await someone.delete(f"{JOBS}/{canceled['id']}")
    await upload(someone, complete=True)
    await upload(someone, complete=False)
    compared = (await someone.post(COMPARISONS, COMPARED)).json()
    await someone.post(compared["links"]["cancel"])
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    await someone.job({"kind": "generate", "input": PICTURE, "run_at": later})
    return user_id


async def erase(api: Api, admin: dict[str, str], user_id: str) -> int:
    return (await api.http.delete(f"/admin/users/{user_id}", headers=admin)).status_code


async def what_names(api: Api, *texts: str) -> dict[str, list[str]]:
    """Where in Redis these texts still stand: in names of keys, and in values."""
    store, found = api.resources.store, {}
    reads = {
        b"hash": ("HGETALL",), b"string": ("GET",), b"set": ("SMEMBERS",), b"zset": ("ZRANGE", 0, -1),
        b"stream": ("XRANGE", "-", "+"), b"list": ("LRANGE", 0, -1),
    }  # fmt: skip
    for key in await store.call("KEYS", "*"):
        command, *more = reads[await store.call("TYPE", key)]
        said = f"{key!r} {await store.call(command, key, *more)!r}"
        if hits := [text for text in texts if text in said]:
            found[key.decode().partition(":")[2] or key.decode()] = hits
    return found


async def test_nothing_of_a_user_is_left_but_what_admins_did(api: Api, admin: dict[str, str]) -> None:
    someone, other = await customer_of(api), await customer_of(api)
    user_id, email = await live_a_life(api, someone), (await someone.me())["email"]
    theirs = await live_a_life(api, other)
    assert await erase(api, admin, user_id) == 200
    assert await api.resources.objects.list(f"{user_id}/") == ()
    left = await what_names(api, user_id, email, "a secret name")
    theirs_too = {key for key in left if key.startswith("upload:") and left[key] == ["a secret name"]}
    pending = {key for key in left if key.startswith("upload:")} - theirs_too
    assert set(left) - pending - theirs_too == {"audit", "recent"}
    assert len(pending) == 2  # their URLs still work: the sweep will find by them what may yet arrive
    refused(await someone.get("/api/v1/me"), 401, "invalid_token")
    refused(await api.http.get(f"/admin/users/{user_id}", headers=admin), 404, "not_found")
    assert len((await other.get(JOBS)).json()["data"]) == 5
    assert await api.resources.objects.list(f"{theirs}/") != ()
    assert await verify(api.resources.store) is not None
    (act,) = (await api.http.get("/admin/audit?act=erase_user", headers=admin)).json()["data"]
    assert act["on"] == user_id
    assert act["before"] == {"role": "internal", "overrides": {}, "status": "active"}


async def test_what_arrives_late_at_an_upload_url_is_swept_away(api: Api, admin: dict[str, str]) -> None:
    someone = await customer_of(api)
    late = await upload(someone, complete=False)
    user_id = (await someone.me())["id"]
    assert await erase(api, admin, user_id) == 200
    async with httpx.AsyncClient(timeout=PATIENCE_S) as outside:
        await outside.put(late["url"], content=PNG, headers=late["headers"])
    resources = api.resources
    assert len(await resources.objects.list(f"{user_id}/")) == 1
    await resources.store.call("ZADD", resources.store.keys.uploads, 1, late["id"])
    await expire_uploads(resources.store, resources.objects)
    assert await resources.objects.list(f"{user_id}/") == ()


async def test_running_jobs_are_stopped_first_and_the_sweep_does_the_rest(api: Api, admin: dict[str, str]) -> None:
    someone = await customer_of(api)
    user_id = (await someone.me())["id"]
    await someone.job()
    store, objects = api.resources.store, api.resources.objects
    claimed = await start(store)
    assert await erase(api, admin, user_id) == 202
    user = (await api.http.get(f"/admin/users/{user_id}", headers=admin)).json()
    assert user["status"] == "erasing"
    refused(await someone.get("/api/v1/me"), 401, "invalid_token")
    assert await store.call("LRANGE", store.keys.control + "wrk_by_hand", 0, -1) == [
        f"cancel {claimed.job_id}".encode()
    ]
    assert await erase_some(store, objects) == 0
    await end(store, claimed, "cancel")
    assert await erase_some(store, objects) == 1
    refused(await api.http.get(f"/admin/users/{user_id}", headers=admin), 404, "not_found")
    assert await erase_some(store, objects) == 0


async def test_an_erasure_that_was_cut_short_is_gone_on_with(api: Api, admin: dict[str, str]) -> None:
    someone = await customer_of(api)
    user_id = await live_a_life(api, someone)
    store, objects = api.resources.store, api.resources.objects
    await begin_erasure(store, user_id)
    for _ in range(2):
        await begin_erasure(store, user_id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(objects), "remove_all", unavailable)
        assert await erase(api, admin, user_id) == 202
    assert await erase_some(store, objects) == 1
    assert await erase(api, admin, user_id) == 404


async def unavailable(*_: Any) -> int:
    raise Unavailable("objects")


async def test_a_user_who_is_being_erased_is_not_brought_back(api: Api, admin: dict[str, str]) -> None:
    someone = await customer_of(api)
    user_id = (await someone.me())["id"]
    await begin_erasure(api.resources.store, user_id)
    path = f"/admin/users/{user_id}"
    refused(await api.http.patch(path, json={"status": "active"}, headers=admin), 409, "conflict")
    refused(
        await api.http.post("/admin/api-keys", json={"user_id": user_id, "name": "ci"}, headers=admin),
        404,
        "not_found",
    )
    refused(await someone.submit(), 401, "invalid_token")


async def test_the_address_may_be_used_again(api: Api, admin: dict[str, str]) -> None:
    someone = await customer_of(api)
    me = await someone.me()
    assert await erase(api, admin, me["id"]) == 200
    made = await api.http.post("/admin/users", json={"email": me["email"]}, headers=admin)
    assert made.status_code == 201
    assert made.json()["id"] != me["id"]


async def test_no_admin_shuts_themselves_out(api: Api, admin: dict[str, str]) -> None:
    me = (await api.http.get("/api/v1/me", headers=admin)).json()["id"]
    refused(await api.http.delete(f"/admin/users/{me}", headers=admin), 409, "conflict")
    refused(await api.http.patch(f"/admin/users/{me}", json={"status": "suspended"}, headers=admin), 409, "conflict")
    assert (await api.http.get("/api/v1/me", headers=admin)).status_code == 200


@pytest.mark.parametrize("user_id", ["usr_00000000000000000000000000", "nobody"])
async def test_nobody_is_erased_under_another_id(api: Api, admin: dict[str, str], user_id: str) -> None:
    refused(await api.http.delete(f"/admin/users/{user_id}", headers=admin), 404, "not_found")


async def test_a_key_that_was_good_a_moment_ago_submits_nothing_more(api: Api, admin: dict[str, str]) -> None:
    someone = await customer_of(api)
    user_id = (await someone.me())["id"]
    assert await erase(api, admin, user_id) == 200
    answer = await api.http.post(JOBS, json={"prompt": "x"}, headers=bearer(someone.secret))
    refused(answer, 401, "invalid_token")
    assert await api.resources.store.call("EXISTS", api.resources.store.keys.jobs + user_id) == 0


async def test_the_answer_names_what_stays_and_until_when(api: Api) -> None:
    admin, someone = await api.admin(), await customer_of(api)
    me = await someone.me()
    answer = (await api.http.delete(f"/admin/users/{me['id']}", headers=admin)).json()
    assert (answer["id"], answer["status"]) == (me["id"], "erased")
    stays = {one["what"]: one for one in answer["stays"]}
    assert stays.keys() == {"audit_log", "admissions", "uploads", "backups", "elsewhere", "append_only_file"}
    assert stays["audit_log"]["until"] == "for ever"
    assert stays["admissions"]["until"].startswith("400 days")
    told = stays["append_only_file"]["until"]
    assert "BGREWRITEAOF" in told
    assert int(re.search(r"by itself at (\d+) bytes", told)[1]) > 0  # type: ignore[index]


@pytest.mark.parametrize("managed", [False, True])
async def test_what_redis_does_not_say_is_not_told(api: Api, monkeypatch: pytest.MonkeyPatch, *, managed: bool) -> None:
    """One without an append-only file has nothing to forget; a managed one does not show its configuration."""
    call = Store.call

    async def reply(store: Store, *command: Any) -> Any:
        if command[0] == "INFO" and not managed:
            return b"# Persistence\r\naof_enabled:0\r\n"
        if command[0] == "CONFIG":
            raise ReplyError("NOPERM")
        return await call(store, *command)

    monkeypatch.setattr(Store, "call", reply)
    told = {one.what: one.until for one in await what_stays(api.resources.store)}
    assert ("append_only_file" in told) is managed
    assert "by itself" not in str(told)
