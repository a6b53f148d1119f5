"""Queues, jobs of all users, the dead, workers and the audit log, as an admin handles them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from libs.jobs.lifecycle import claim
from tests.fakes.api import Api
from tests.fakes.customers import PICTURE, Customer, customer_of
from tests.fakes.hands import FLEET, end, start
from tests.fakes.problems import refused

NO_JOB = "job_00000000000000000000000000"


@pytest.fixture
async def admin(api: Api) -> dict[str, str]:
    return await api.admin()


async def data(api: Api, admin: dict[str, str], path: str) -> list[dict[str, Any]]:
    answer = await api.http.get(path, headers=admin)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def all_pages(api: Api, admin: dict[str, str], path: str) -> list[dict[str, Any]]:
    found = []
    while path:
        answer = await api.http.get(path, headers=admin)
        assert answer.status_code == 200, answer.text
        found += answer.json()["data"]
        path = answer.links["next"]["url"] if answer.json()["has_more"] else ""
    return found


async def die(api: Api, someone: Customer, **more: Any) -> str:
    """A job whose workers died three times."""
    job_id = str((await someone.job({"kind": "generate", "input": PICTURE, **more}))["id"])
    for _ in range(3):
        assert len((await claim(api.resources.store, "w", ["gpu"], 1, 0.001, servers=FLEET)).jobs) == 1
        await asyncio.sleep(0.01)
    assert (await claim(api.resources.store, "w", ["gpu"], 1, 30, servers=FLEET)).jobs == ()
    return job_id


# Queues


async def test_queues_tell_what_is_in_them(api: Api, admin: dict[str, str]) -> None:
    someone = await customer_of(api, slots=2)
    for _ in range(4):
        await someone.job()
    await claim(api.resources.store, "w", ["gpu"], 1, 30, servers=FLEET)
    queues = {queue["name"]: queue for queue in await data(api, admin, "/admin/queues")}
    assert set(queues) == {"gpu", "cpu", "net"}
    gpu = queues["gpu"]
    assert (gpu["ready"], gpu["timed"], gpu["held"], gpu["paused"], gpu["draining"]) == (1, 1, 2, False, False)


async def test_a_paused_queue_gives_no_job_and_a_resumed_one_rings_its_workers(api: Api, admin: dict[str, str]) -> None:
    someone, store = await customer_of(api), api.resources.store
    paused = await api.http.post("/admin/queues/gpu/pause", headers=admin)
    assert (paused.status_code, paused.json()["paused"]) == (200, True)
    await someone.job()
    await store.call("DEL", store.keys.bell + "gpu")
    assert (await claim(store, "w", ["gpu"], 1, 30, servers=FLEET)).jobs == ()
    resumed = await api.http.post("/admin/queues/gpu/resume", headers=admin)
    assert resumed.json()["paused"] is False
    assert await store.call("LLEN", store.keys.bell + "gpu") > 0
    assert len((await claim(store, "w", ["gpu"], 1, 30, servers=FLEET)).jobs) == 1


async def test_a_draining_queue_takes_no_job_and_finishes_what_it_has(api: Api, admin: dict[str, str]) -> None:
    someone, store = await customer_of(api), api.resources.store
    await someone.job()
    assert (await api.http.post("/admin/queues/gpu/drain", headers=admin)).json()["draining"] is True
    refused(await someone.submit(), 503, "draining")
    await end(store, await start(store))
    await api.http.post("/admin/queues/gpu/resume", headers=admin)
    assert (await someone.submit()).status_code == 202


@pytest.mark.parametrize("name", ["default", "gpus", "gpu:x", "%00"])
async def test_a_queue_that_is_not_ours_is_not_found(api: Api, admin: dict[str, str], name: str) -> None:
    refused(await api.http.post(f"/admin/queues/{name}/pause", headers=admin), 404, "not_found")


async def test_what_changes_nothing_is_not_logged(api: Api, admin: dict[str, str]) -> None:
    for what in ("resume", "pause", "pause", "drain", "resume"):
        await api.http.post(f"/admin/queues/cpu/{what}", headers=admin)
    acts = [act["act"] for act in await data(api, admin, "/admin/audit?on=cpu")]
    assert acts == ["resume_queue", "drain_queue", "pause_queue"]


# Jobs


async def test_jobs_of_all_users_newest_first_without_what_is_theirs_alone(api: Api, admin: dict[str, str]) -> None:
    users = [await customer_of(api) for _ in range(3)]
    made = [(await users[n % 3].job({**PICTURE, "prompt": "a canary"}))["id"] for n in range(7)]
    answer = await api.http.get("/admin/jobs", headers=admin)
    assert "canary" not in answer.text
    found = await all_pages(api, admin, "/admin/jobs?limit=3")
    assert [job["id"] for job in found] == made[::-1]
    assert {job["user_id"] for job in found} == {(await user.me())["id"] for user in users}


async def test_jobs_by_user_status_and_kind(api: Api, admin: dict[str, str]) -> None:
    someone, other = await customer_of(api), await customer_of(api)
    mine = [(await someone.job())["id"] for _ in range(3)]
    theirs = (await other.job())["id"]
    await someone.delete(f"/api/v1/jobs/{mine[1]}")
    user_id = (await someone.me())["id"]
    ids = {
        query: [job["id"] for job in await all_pages(api, admin, f"/admin/jobs?{query}")]
        for query in (f"user_id={user_id}", "status=canceled", "kind=ocr", "kind=generate&status=queued&limit=1")
    }
    assert ids == {
        f"user_id={user_id}": mine[::-1],
        "status=canceled": [mine[1]],
        "kind=ocr": [],
        "kind=generate&status=queued&limit=1": [theirs, mine[2], mine[0]],
    }
    assert [job["id"] for job in await data(api, admin, f"/admin/jobs?user_id={user_id}&status=canceled")] == [mine[1]]


async def test_a_page_looks_at_a_thousand_jobs_and_goes_on_from_there(
    api: Api, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.jobs.lookup._SCAN_MAX", 3)
    someone = await customer_of(api)
    first = await someone.job()
    await someone.delete(f"/api/v1/jobs/{first['id']}")
    for _ in range(8):
        await someone.job()
    page = (await api.http.get("/admin/jobs?status=canceled&limit=2", headers=admin)).json()
    assert (page["data"], page["has_more"]) == ([], True)
    assert [job["id"] for job in await all_pages(api, admin, "/admin/jobs?status=canceled&limit=2")] == [first["id"]]


@pytest.mark.parametrize("query", ["status=gone", "created_after=now", "limit=0"])
async def test_a_query_that_means_nothing_is_refused(api: Api, admin: dict[str, str], query: str) -> None:
    refused(await api.http.get(f"/admin/jobs?{query}", headers=admin), 422, "validation_failed")
    refused(await api.http.get("/admin/jobs?user_id=nobody", headers=admin), 404, "not_found")


async def test_a_user_is_found_by_address_in_whatever_case(api: Api, admin: dict[str, str]) -> None:
    made = (await api.http.post("/admin/users", json={"email": "Some.One@example.com"}, headers=admin)).json()
    assert await data(api, admin, "/admin/users?email=some.one%40EXAMPLE.com") == [made]
    assert await data(api, admin, "/admin/users?email=nobody%40example.com") == []


# The dead


async def test_a_dead_job_is_submitted_again_for_its_user_and_leaves_the_list(api: Api, admin: dict[str, str]) -> None:
    someone = await customer_of(api, units_per_day=1, queued_max=1)
    dead = await die(api, someone, metadata={"order": 7}, priority=3, fairness_key="shop")
    (listed,) = await data(api, admin, "/admin/dead")
    assert (listed["id"], listed["error"]["code"], listed["crashes"]) == (dead, "worker_lost", 3)
    assert listed["died_at"]
    await someone.job()  # the day's unit is held, and the list of the waiting full
    answer = await api.http.post(f"/admin/dead/{dead}/replay", headers=admin)
    assert answer.status_code == 202, answer.text
    again = await someone.look(answer.json()["id"])
    was = await someone.look(dead)
    same = ("kind", "input", "metadata", "priority", "fairness_key")
    assert {name: again[name] for name in same} == {name: was[name] for name in same}
    assert (again["retry_of"], again["status"]) == (dead, "queued")
    assert await data(api, admin, "/admin/dead") == []
    (act,) = await data(api, admin, "/admin/audit?act=replay_job")
    assert (act["on"], act["after"]) == (dead, {"job_id": again["id"]})
    refused(await api.http.post(f"/admin/dead/{dead}/replay", headers=admin), 404, "not_found")


async def test_many_admins_at_once_replay_a_dead_job_once(api: Api, admin: dict[str, str]) -> None:
    someone = await customer_of(api)
    dead = await die(api, someone)
    answers = await asyncio.gather(*[api.http.post(f"/admin/dead/{dead}/replay", headers=admin) for _ in range(20)])
    assert {answer.status_code for answer in answers} <= {202, 404}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    assert len((await someone.get("/api/v1/jobs")).json()["data"]) == 2


async def test_the_dead_come_in_pages_and_forget_whose_record_is_gone(api: Api, admin: dict[str, str]) -> None:
    someone, store = await customer_of(api), api.resources.store
    dead = [await die(api, someone) for _ in range(5)]
    await store.call("DEL", *[store.keys.job + job_id for job_id in dead[1:3]])
    found = await all_pages(api, admin, "/admin/dead?limit=1")
    assert [job["id"] for job in found] == [dead[4], dead[3], dead[0]]
    assert await store.call("ZCARD", store.keys.dead) == 3


async def test_a_dead_job_of_a_suspended_user_stays_dead(api: Api, admin: dict[str, str]) -> None:
    someone = await customer_of(api)
    dead, user_id = await die(api, someone), (await someone.me())["id"]
    await api.http.patch(f"/admin/users/{user_id}", json={"status": "suspended"}, headers=admin)
    refused(await api.http.post(f"/admin/dead/{dead}/replay", headers=admin), 409, "conflict")
    assert len(await data(api, admin, "/admin/dead")) == 1


async def test_a_living_job_is_not_replayed(api: Api, admin: dict[str, str]) -> None:
    someone = await customer_of(api)
    for job_id in ((await someone.job())["id"], NO_JOB, "nonsense"):
        refused(await api.http.post(f"/admin/dead/{job_id}/replay", headers=admin), 404, "not_found")


# Workers


async def test_workers_come_in_pages(api: Api, admin: dict[str, str]) -> None:
    store = api.resources.store
    now_s = int((await store.call("TIME"))[0])
    for n in range(5):
        said = ("host", "a", "pid", n, "queues", "cpu,gpu", "slots", 5, "running", n, "accepting", 1, "seen", now_s)
        await store.call("HSET", f"{store.keys.worker}wrk_{n}", *said)
        await store.call("ZADD", store.keys.workers, now_s - n, f"wrk_{n}")
    found = await all_pages(api, admin, "/admin/workers?limit=2")
    assert [worker["id"] for worker in found] == [f"wrk_{n}" for n in range(5)]
    assert (found[2]["queues"], found[2]["slots"], found[2]["running"]) == (["cpu", "gpu"], 5, 2)
    assert found[2]["accepting"] is True


# The audit log


async def test_the_log_tells_who_did_what_in_which_request(api: Api, admin: dict[str, str]) -> None:
    asked = {**admin, "x-request-id": "a-request-of-mine"}
    made = await api.http.post("/admin/users", json={"email": "new@example.com"}, headers=asked)
    me = (await api.http.get("/api/v1/me", headers=admin)).json()
    (act,) = await data(api, admin, f"/admin/audit?on={made.json()['id']}")
    assert act["act"] == "create_user"
    assert act["actor"] == {
        "user_id": me["id"], "api_key_id": me["api_key"]["id"], "request_id": "a-request-of-mine",
    }  # fmt: skip
    by_me = await all_pages(api, admin, f"/admin/audit?limit=1&actor={me['id']}")
    assert by_me == [act]
    assert "new@example.com" not in str(by_me)


async def test_the_log_comes_in_pages_newest_first(api: Api, admin: dict[str, str]) -> None:
    for _ in range(3):
        await customer_of(api)
    found = await all_pages(api, admin, "/admin/audit?limit=3")
    assert [act["number"] for act in found] == list(range(len(found), 0, -1))
