"""A job in the archive is the same job: every route shows it as before."""

from __future__ import annotations

import secrets

import httpx
import pytest

from tests.fakes.api import Api
from tests.fakes.customers import JOBS, PICTURE, Customer, customer_of
from tests.fakes.hands import give_up
from tests.fakes.history import PNG, archive_all, keys_naming, make_artifact, run_one
from tests.fakes.live import following, serving
from tests.fakes.problems import refused
from tests.integration.apps.api.conftest import MakeApi
from tests.patience import PATIENCE_S


@pytest.fixture
async def api(make_api: MakeApi) -> Api:
    """With a bucket of its own: what is archived of all users has no name of its own."""
    api = await make_api(archive_after=1, minio_bucket=f"arqade-{secrets.token_hex(8)}")
    await api.resources.objects.open()
    return api


@pytest.fixture
async def someone(api: Api) -> Customer:
    return await customer_of(api)


async def archive(api: Api) -> int:
    return await archive_all(api.resources.store, api.resources.objects)


def without_urls(job: dict[str, object]) -> dict[str, object]:
    return {**job, "artifacts": [{**one, "url": "", "url_expires_at": ""} for one in job["artifacts"]]}  # type: ignore[attr-defined]


async def test_what_is_archived_leaves_no_key_behind_and_looks_as_it_did(api: Api, someone: Customer) -> None:
    store = api.resources.store
    job = await someone.job({"kind": "generate", "input": PICTURE, "metadata": {"order": "ä 17"}})
    await make_artifact(store, api.resources.objects)
    before = await someone.get(f"{JOBS}/{job['id']}")
    listed = (await someone.get(JOBS)).json()["data"]
    assert await archive(api) == 1
    assert await keys_naming(store, job["id"]) == set()
    after = await someone.get(f"{JOBS}/{job['id']}")
    assert without_urls(after.json()) == without_urls(before.json())
    assert after.headers["etag"] == before.headers["etag"]
    same = await someone.get(f"{JOBS}/{job['id']}", if_none_match=before.headers["etag"])
    assert same.status_code == 304
    assert [without_urls(one) for one in (await someone.get(JOBS)).json()["data"]] == [
        without_urls(one) for one in listed
    ]
    (artifact,) = (await someone.get(f"{JOBS}/{job['id']}/artifacts")).json()["data"]
    download = await someone.get(f"{JOBS}/{job['id']}/artifacts/0.png")
    async with httpx.AsyncClient(timeout=PATIENCE_S) as outside:
        for url in (artifact["url"], download.headers["location"]):
            assert (await outside.get(url)).content == PNG


async def test_an_archived_job_is_retried_canceled_and_followed_as_any_finished_one(
    api: Api, someone: Customer
) -> None:
    store = api.resources.store
    done, canceled = await someone.job(), await someone.job()
    await someone.delete(f"{JOBS}/{canceled['id']}")
    await run_one(store)
    assert await archive(api) == 2
    body = refused(await someone.delete(f"{JOBS}/{done['id']}"), 409, "job_already_finished")
    assert body["job_status"] == "succeeded"
    assert (await someone.delete(f"{JOBS}/{canceled['id']}")).status_code == 200
    again = await someone.post(f"{JOBS}/{done['id']}/retry")
    assert again.status_code == 202
    assert again.json()["input"] == done["input"]
    token = await someone.post("/api/v1/stream-tokens", {"job_id": done["id"]})
    assert token.status_code == 201
    async with (
        serving(api.http._transport.app) as url,  # type: ignore[attr-defined]
        httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as http,
        following(http, f"{JOBS}/{done['id']}/events", {"Authorization": f"Bearer {someone.secret}"}) as stream,
    ):
        assert await stream.types() == ["snapshot", "done"]


async def test_a_replay_finds_the_archived_job(api: Api, someone: Customer) -> None:
    job = await someone.job(idempotency_key="once")
    await run_one(api.resources.store)
    assert await archive(api) == 1
    again = await someone.submit(idempotency_key="once")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    assert (again.json()["id"], again.json()["status"]) == (job["id"], "succeeded")


async def test_the_shortest_retention_still_outlives_the_memory_of_its_idempotency_key(api: Api) -> None:
    someone, store = await customer_of(api, retention_s=60), api.resources.store
    job = await someone.job(idempotency_key="once")
    await run_one(store)
    record, memory = [
        await store.call("PTTL", key)
        for key in (
            store.keys.job + job["id"],
            *[key for key in await keys_naming(store, job["id"]) if key.startswith(store.keys.idempotency)],
        )
    ]
    assert record > memory > 0


async def test_nobody_finds_another_users_archived_job(api: Api, someone: Customer) -> None:
    job = await someone.job()
    await run_one(api.resources.store)
    await archive(api)
    other = await customer_of(api)
    for path in (f"{JOBS}/{job['id']}", f"{JOBS}/{job['id']}/artifacts", f"{JOBS}/{job['id']}/events"):
        refused(await other.get(path), 404, "not_found")
    refused(await other.delete(f"{JOBS}/{job['id']}"), 404, "not_found")
    refused(await other.post(f"{JOBS}/{job['id']}/retry"), 404, "not_found")
    assert (await other.get(JOBS)).json()["data"] == []


async def test_a_walk_along_the_links_goes_on_into_the_archive_and_meets_every_job_once(
    api: Api, someone: Customer
) -> None:
    """Redis and the archive in turns: what ended later may have come earlier."""
    waiting = [(await someone.job())["id"] for _ in range(9)]
    canceled = [waiting[at] for at in (0, 2, 3, 6)]
    for job_id in canceled[:2]:
        await someone.delete(f"{JOBS}/{job_id}")
    assert await archive(api) == 2
    for job_id in canceled[2:]:
        await someone.delete(f"{JOBS}/{job_id}")
    assert await archive(api) == 2
    met, path = [], f"{JOBS}?limit=2"
    while path:
        answer = await someone.get(path)
        met += [(job["id"], job["status"]) for job in answer.json()["data"]]
        path = answer.headers.get("link", "").removeprefix("<").partition(">")[0]
    assert met == [(one, "canceled" if one in canceled else "queued") for one in sorted(waiting, reverse=True)]
    found = (await someone.get(f"{JOBS}?status=canceled&limit=100")).json()["data"]
    assert [job["id"] for job in found] == sorted(canceled, reverse=True)
    admin = await api.admin()
    user_id = (await someone.me())["id"]
    seen = (await api.http.get(f"/admin/jobs?user_id={user_id}&status=canceled", headers=admin)).json()["data"]
    assert [job["id"] for job in seen] == sorted(canceled, reverse=True)


async def test_without_the_object_store_archived_jobs_are_unavailable_and_young_ones_are_shown(
    make_api: MakeApi, api: Api
) -> None:
    apart = await make_api(minio_endpoint="127.0.0.1:1")
    someone = await customer_of(apart)
    job = await someone.job()
    assert (await someone.look(job["id"]))["status"] == "queued"
    assert [one["id"] for one in (await someone.get(JOBS)).json()["data"]] == [job["id"]]
    refused(await someone.get(f"{JOBS}/job_01jd3f8x5e0000000000000000"), 503, "dependency_unavailable")
    refused(await someone.get(f"{JOBS}/job_{job['id'][4:14]}0000000000000000"), 404, "not_found")


async def test_admins_find_archived_jobs_among_the_newest_and_replay_archived_dead_ones(
    api: Api, someone: Customer
) -> None:
    admin, store = await api.admin(), api.resources.store
    dead = (await someone.job({"kind": "generate", "input": PICTURE, "metadata": {"order": 7}}))["id"]
    assert await give_up(store) == dead
    assert await archive(api) == 1
    assert await store.call("EXISTS", store.keys.job + dead) == 0
    (newest,) = (await api.http.get("/admin/jobs", headers=admin)).json()["data"]
    (listed,) = (await api.http.get("/admin/dead", headers=admin)).json()["data"]
    assert (newest["id"], listed["id"], listed["error"]["code"]) == (dead, dead, "worker_lost")
    again = await api.http.post(f"/admin/dead/{dead}/replay", headers=admin)
    assert again.status_code == 202
    made = await someone.look(again.json()["id"])
    assert (made["retry_of"], made["metadata"]) == (dead, {"order": 7})
    assert (await api.http.get("/admin/dead", headers=admin)).json()["data"] == []
    assert await store.call("EXISTS", store.keys.dead_owners) == 0


async def test_the_metrics_tell_how_far_moving_is_behind(api: Api, someone: Customer) -> None:
    store = api.resources.store

    async def behind_s() -> float:
        text = (await api.http.get("/metrics")).text
        return float(text.partition("\narqade_oldest_finished_seconds ")[2].partition("\n")[0])

    assert await behind_s() == 0
    job = await someone.job()
    await someone.delete(f"{JOBS}/{job['id']}")
    (user_id,) = await store.call("ZRANGE", store.keys.archiving, 0, -1)
    await store.call("ZINCRBY", store.keys.archiving, -100_000_000, user_id)
    assert 99_999 <= await behind_s() <= 100_060
    await archive(api)
    assert await behind_s() == 0
