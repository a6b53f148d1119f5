"""What the OCR services' clients and operators asked for, under the names that they had for it."""

from __future__ import annotations

import base64

import httpx
import pytest

from libs.jobs.devices import Device, tell_devices
from libs.jobs.lifecycle import claim
from tests.fakes.api import Api, bearer
from tests.fakes.customers import PICTURE, customer_of
from tests.fakes.hands import FLEET
from tests.fakes.pixels import picture
from tests.fakes.problems import pointers, refused
from tests.integration.apps.api.conftest import MakeApi

ECOSTEPS, STATUS = "/api/v1/ocr-ecosteps", "/app-status"


def image() -> str:
    return base64.b64encode(picture()).decode()


async def test_a_picture_is_sent_with_an_x_api_key_and_answered_at_once(api: Api) -> None:
    secret = await api.key("internal")
    answer = await api.http.post(ECOSTEPS, json={"image": image()}, headers={"x-api-key": secret})
    job = answer.json()
    assert (answer.status_code, job["kind"], job["status"]) == (202, "ocr", "queued")
    assert job["input"]["upload"].startswith("upload_")
    assert "image" not in job["input"]


@pytest.mark.parametrize("body", [{}, {"image": image(), "upload": "upload_" + "0" * 26}])
async def test_an_ocr_job_has_one_file(api: Api, body: dict[str, str]) -> None:
    pointers(await (await customer_of(api)).post(ECOSTEPS, body))


async def test_an_address_may_ask_there_so_often_whatever_keys_it_has(make_api: MakeApi) -> None:
    api = await make_api(ocr_ecosteps_per_minute=2)
    one, other = await customer_of(api), await customer_of(api)
    assert [(await each.post(ECOSTEPS, {"image": image()})).status_code for each in (one, other)] == [202, 202]
    answer = await other.post(ECOSTEPS, {"image": image()})
    problem = refused(answer, 429, "rate_limited")
    assert problem["violated-policies"] == ["address"]
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    elsewhere = httpx.ASGITransport(api.http._transport.app, client=("192.0.2.7", 1))  # type: ignore[attr-defined]
    async with httpx.AsyncClient(transport=elsewhere, base_url="http://arqade.test") as http:
        answer = await http.post(ECOSTEPS, json={"image": image()}, headers=bearer(other.secret))
    assert answer.status_code == 202
    answer = await other.post("/api/v1/ocr", {"image": image()}, prefer="respond-async")
    assert answer.status_code == 202


async def test_ocr_that_is_switched_off_says_so_by_every_name(make_api: MakeApi) -> None:
    someone = await customer_of(await make_api(ocr_enabled=False))
    for path in (ECOSTEPS, "/api/v1/ocr"):
        refused(await someone.post(path, {"image": image()}), 503, "feature_disabled")
    refused(await someone.submit({"kind": "ocr", "input": {"image": image()}}), 503, "feature_disabled")


async def test_the_status_tells_queue_workers_and_machine(api: Api) -> None:
    someone, store = await customer_of(api), api.resources.store
    for _ in range(3):
        await someone.job(PICTURE)
    await claim(store, "wrk_1", ["gpu"], 1, 30.0, servers=FLEET)
    await store.call("ZADD", store.keys.workers, 1, "wrk_1")
    await store.call("HSET", store.keys.worker + "wrk_1", "slots", 5, "running", 1, "accepting", 1)
    await tell_devices(store, [Device("comfyui", "cuda:0", 24_000, 8_000)])
    told = (await someone.get(STATUS)).json()
    assert told["status"] == "running"
    assert told["queue"] == {
        "waiting_in_queue": 2,
        "running": 1,
        "max_queue_size": 1_000_000,
        "unfinished": {"gpu": 3, "cpu": 0, "net": 0},
    }
    assert told["workers"] == {"count": 1, "accepting": 1, "slots": 5, "busy": 1}
    system = told["system"]
    assert system["gpus"] == [
        {"backend": "comfyui", "name": "cuda:0", "memory_bytes": 24_000, "memory_free_bytes": 8_000}
    ]
    assert 0 < system["memory_percent"] < 100
    assert 0 < system["memory_used_bytes"] < system["memory_bytes"]


async def test_the_status_needs_a_key_unless_it_is_opened(api: Api, make_api: MakeApi) -> None:
    refused(await api.http.get(STATUS), 401, "unauthorized")
    opened = await make_api(app_status_public=True)
    assert (await opened.http.get(STATUS)).status_code == 200


async def test_a_ceiling_over_every_plan_limits_submissions_and_nothing_else(make_api: MakeApi) -> None:
    api = await make_api(rate_limit_requests=2)
    someone = await customer_of(api, "pro")
    answers = [await someone.submit() for _ in range(3)]
    assert [answer.headers["x-ratelimit-limit"] for answer in answers] == ["2"] * 3
    refused(answers[-1], 429, "rate_limited")
    assert (await someone.get("/api/v1/jobs")).headers["x-ratelimit-limit"] == "600"
    free = await customer_of(api, "free", submits_per_minute=1)
    assert (await free.submit()).headers["x-ratelimit-limit"] == "1"


async def test_the_metrics_tell_of_redis_queues_and_the_machine(api: Api) -> None:
    await (await customer_of(api)).job(PICTURE)
    shown = (await api.http.get("/metrics")).text
    told = dict(line.rsplit(" ", 1) for line in shown.splitlines() if not line.startswith("#"))
    assert float(told['arqade_redis_memory_bytes{what="used"}']) > 100_000
    assert float(told['arqade_dependency_up{part="redis"}']) == 1
    assert float(told["arqade_queue_jobs_max"]) == 1_000_000
    assert float(told['arqade_queue_rescues{queue="gpu"}']) == 0
    assert 0 < float(told['arqade_host_used_ratio{what="memory"}']) < 1
