"""A Redis that is full, at a real maxmemory: nothing new is taken, and all that reads, ends and frees goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from apps.api.main import build
from libs.errors import StoreFull
from libs.store.client import Store
from tests.fakes.api import Api, bearer
from tests.fakes.customers import BATCHES, COMPARED, COMPARISONS, JOBS, PICTURE, Customer
from tests.fakes.live import following, serving
from tests.fakes.parts import need
from tests.fakes.problems import refused
from tests.fakes.workflows import portrait
from tests.integration.apps.api.conftest import MakeApi
from tests.integration.libs.store.redis_process import FLAVOURS, RedisProcess, binary_of, running
from tests.patience import PATIENCE_S

UPLOAD = {"filename": "a.png", "content_type": "image/png", "size_bytes": 100}


@pytest.fixture(params=FLAVOURS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisProcess]:
    need(request.param, found=binary_of(request.param) is not None, how="apt-get install redis-server")
    with running(request.param, tmp_path) as server:
        yield server


@pytest.fixture
async def api(make_api: MakeApi, server: RedisProcess) -> Api:
    return await make_api(server.url)


async def used_bytes(store: Store) -> int:
    info = (await store.call("INFO", "memory")).decode()
    return int(info.partition("used_memory:")[2].split()[0])


async def fill(store: Store) -> None:
    """Set a ceiling two megabytes up and write until Redis takes no more; then so that no buffer freed makes room."""
    await store.call("CONFIG", "SET", "maxmemory", await used_bytes(store) + 2_000_000)
    with pytest.raises(StoreFull):
        await _write(store)
    await store.call("CONFIG", "SET", "maxmemory", await used_bytes(store) - 200_000)


async def _write(store: Store) -> None:
    for number in range(1_000):
        await store.call("SET", f"filler:{number}", "x" * 10_000)


async def free(store: Store) -> None:
    names = [f"filler:{number}" for number in range(1_000)]
    await store.call("DEL", *names)
    await store.call("CONFIG", "SET", "maxmemory", 0)


async def test_submissions_are_refused_as_full_and_taken_again_when_there_is_room(api: Api) -> None:
    someone, store = Customer(api.http, await api.key("internal")), api.resources.store
    before = await someone.job(idempotency_key="before")
    await fill(store)
    submissions: list[Callable[[], Awaitable[httpx.Response]]] = [
        lambda: someone.submit(idempotency_key="k"),
        lambda: someone.post(COMPARISONS, COMPARED),
        lambda: someone.post(BATCHES, {"kind": "generate", "items": [PICTURE]}),
        lambda: someone.post("/api/v1/uploads", UPLOAD),
        lambda: someone.post("/api/v1/webhooks", {"url": "https://example.com/hook", "events": ["job.succeeded"]}),
    ]
    for looked in (False, True):
        if looked:
            assert (await api.resources.watch.look()).state == "full"
        for submission in submissions:
            answer = await submission()
            refused(answer, 503, "store_full")
            assert int(answer.headers["retry-after"]) >= 1
    await free(store)
    await api.resources.watch.look()
    assert (await someone.submit(idempotency_key="k")).status_code == 202
    assert (await someone.job(idempotency_key="before"))["id"] == before["id"]
    assert len((await someone.get(JOBS)).json()["data"]) == 2


async def test_a_caller_reads_follows_and_cancels_while_it_is_full(api: Api) -> None:
    someone = Customer(api.http, await api.key("free"))
    job = await someone.job()
    path = f"{JOBS}/{job['id']}"
    await fill(api.resources.store)
    for read in (JOBS, path, f"{path}/artifacts", "/api/v1/me", "/api/v1/usage", BATCHES, COMPARISONS, "/health"):
        assert (await someone.get(read)).status_code == 200, read
    assert "x-ratelimit-remaining" in (await someone.get(path)).headers
    token = await someone.post("/api/v1/stream-tokens", {"job_id": job["id"]})
    assert token.status_code in (200, 201), token.text
    async with (
        serving(build(api.resources)) as url,
        httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as http,
        following(http, f"{path}/events", {"x-api-key": someone.secret}) as stream,
    ):
        await stream.next()
        canceled = await someone.delete(path)
        assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
        assert (await stream.types())[-1] == "done"


async def test_reads_are_still_counted_while_it_is_full(api: Api) -> None:
    someone = Customer(api.http, await api.key("free", reads_per_minute=3))
    await fill(api.resources.store)
    assert [(await someone.get(JOBS)).status_code for _ in range(5)] == [200, 200, 200, 429, 429]


async def test_an_admin_revokes_suspends_and_erases_while_it_is_full(api: Api) -> None:
    admin = await api.admin()
    secrets = [await api.key() for _ in range(3)]
    of = [(await api.http.get("/api/v1/me", headers=bearer(secret))).json() for secret in secrets]
    registered = await api.http.post("/admin/workflows", json={"name": "portrait", **portrait()}, headers=admin)
    assert registered.status_code == 201, registered.text
    await fill(api.resources.store)

    for path in ("/admin/users", "/admin/api-keys", "/admin/jobs", "/admin/queues", "/admin/audit", "/admin/dead"):
        assert (await api.http.get(path, headers=admin)).status_code == 200, path
    revoked = await api.http.delete(f"/admin/api-keys/{of[0]['api_key']['id']}", headers=admin)
    suspended = await api.http.patch(f"/admin/users/{of[1]['id']}", json={"status": "suspended"}, headers=admin)
    erased = await api.http.delete(f"/admin/users/{of[2]['id']}", headers=admin)
    assert [revoked.status_code, suspended.status_code, erased.status_code] == [200, 200, 200]
    for secret in secrets:
        refused(await api.http.get("/api/v1/me", headers=bearer(secret)), 401, "invalid_token")
    assert (await api.http.post("/admin/queues/gpu/pause", headers=admin)).status_code == 200
    assert (await api.http.delete("/admin/workflows/portrait", headers=admin)).status_code == 204


async def test_health_says_that_it_could_not_work(api: Api) -> None:
    assert (await api.http.get("/ready")).status_code == 200
    await fill(api.resources.store)
    await api.resources.watch.look()
    api_state = await api.http.get("/health")
    told = api_state.json()
    if told["checks"]["redis"] == "up":  # everybody is told the same for a second
        await _a_second_later(api)
        told = (await api.http.get("/health")).json()
    assert (api_state.status_code, told["status"], told["checks"]["redis"]) == (200, "degraded", "full")
    assert 0 <= told["checked_seconds_ago"]["redis"] < 5
    refused(await api.http.get("/ready"), 503, "store_full")
    metrics = (await api.http.get("/metrics")).text
    assert 'arqade_dependency_up{part="redis"} 0.0' in metrics
    assert 'arqade_redis_state{state="full"} 1.0' in metrics
    assert 'arqade_dependency_checked_seconds{part="redis"}' in metrics


async def _a_second_later(api: Api) -> None:
    """Until the checks ask anew."""
    while (await api.http.get("/health")).json()["checks"]["redis"] == "up":
        pass


async def test_a_store_that_takes_no_writes_is_not_ready(api: Api) -> None:
    await api.resources.store.call("CONFIG", "SET", "min-replicas-to-write", 1)
    health = (await api.http.get("/health")).json()
    assert (health["status"], health["checks"]["redis"]) == ("degraded", "read_only")
    refused(await api.http.get("/ready"), 503, "dependency_unavailable")
