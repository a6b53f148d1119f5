"""What is accepted, and how it is answered. Nobody runs the jobs here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from arq.jobs import Job as ArqJob

from libs.ids import is_id
from libs.jobs.payload import deserialize
from libs.queue.pool import open_pool
from tests.fakes.api import Api
from tests.fakes.customers import JOBS, PICTURE, customer_of
from tests.fakes.problems import refused
from tests.integration.apps.api.conftest import MakeApi
from tests.servers import RedisServer


async def test_a_submission_is_accepted_with_the_job_and_where_it_is(api: Api) -> None:
    someone = await customer_of(api, "free")
    answer = await someone.submit({"kind": "generate", "input": PICTURE})
    job = answer.json()
    assert answer.status_code == 202
    assert is_id(job["id"], "job")
    assert answer.headers["location"] == job["links"]["self"] == f"{JOBS}/{job['id']}"
    assert "idempotent-replayed" not in answer.headers
    assert "preference-applied" not in answer.headers
    assert (job["kind"], job["status"], job["attempt"], job["usage"]["units"]) == ("generate", "queued", 0, 1)
    assert (job["output"], job["error"], job["artifacts"], job["started_at"]) == (None, None, [], None)
    assert job["input"].items() >= PICTURE.items()
    found = (await someone.get(answer.headers["location"])).json()
    assert found | {"queue_position": None} == job


async def test_a_body_without_a_kind_is_the_input_of_generate(api: Api) -> None:
    job = await (await customer_of(api)).job({"prompt": "a lighthouse", "cfg": 5, "sampler": "euler_a", "width": 64})
    assert job["kind"] == "generate"
    assert job["input"]["cfg_scale"] == 5
    assert job["input"]["sampler"] == "euler_ancestral"
    assert (job["input"]["width"], job["input"]["height"]) == (64, 512)


async def test_a_seed_is_drawn_at_once_and_told(api: Api) -> None:
    someone = await customer_of(api)
    seeds = [(await someone.job({"prompt": "x", "seed": seed}))["input"]["seed"] for seed in (-1, -1)]
    seeds.append((await someone.job({"prompt": "x"}))["input"]["seed"])
    assert all(seed >= 0 for seed in seeds)
    assert len(set(seeds)) == 3


@pytest.mark.parametrize("path", [JOBS, JOBS + "/", "/api/v1/generate", "/api/v1/generate/"])
async def test_a_trailing_slash_is_of_no_matter(api: Api, path: str) -> None:
    answer = await (await customer_of(api)).post(path, PICTURE, prefer="respond-async")
    assert (answer.status_code, answer.json()["kind"]) == (202, "generate")


async def test_the_envelope_is_kept_with_the_job(api: Api) -> None:
    someone = await customer_of(api)
    envelope: dict[str, Any] = {"priority": 7, "fairness_key": "team-a", "metadata": {"order": 12, "tags": ["a"]}}
    job = await someone.job({"kind": "generate", "input": PICTURE, "deadline_seconds": 90, **envelope})
    kept = await someone.look(job["id"])
    assert {name: kept[name] for name in envelope} == envelope
    waits = datetime.fromisoformat(kept["deadline_at"]) - datetime.fromisoformat(kept["created_at"])
    assert waits == timedelta(seconds=90)


async def test_a_job_for_later_is_scheduled_and_its_deadline_counts_from_then(api: Api) -> None:
    someone = await customer_of(api)
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    body = {"kind": "generate", "input": PICTURE, "run_at": at.isoformat(), "deadline_seconds": 60}
    job = await someone.look((await someone.job(body))["id"])
    assert job["status"] == "scheduled"
    assert datetime.fromisoformat(job["run_at"]) == at
    assert datetime.fromisoformat(job["deadline_at"]) == at + timedelta(seconds=60)


async def test_a_time_that_has_passed_is_now(api: Api) -> None:
    job = await (await customer_of(api)).job({"kind": "generate", "input": PICTURE, "run_at": "2001-01-01T00:00:00Z"})
    assert job["status"] == "queued"


async def test_an_accepted_job_lies_in_arqs_own_queue_as_arq_reads_it(api: Api, valkey: RedisServer) -> None:
    job = await (await customer_of(api)).job()
    pool = await open_pool(valkey.url)
    try:
        info = await ArqJob(job["id"], pool, "arq:queue:gpu", deserialize).info()
    finally:
        await pool.aclose()
    assert info is not None
    assert (info.function, info.kwargs) == ("generate", {})
    assert info.args[0] == job["input"]
    assert info.score is not None


async def test_a_submission_spends_a_token_and_holds_a_unit(api: Api) -> None:
    someone = await customer_of(api, "free")
    headers = (await someone.submit()).headers
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("5", "4")
    assert headers["ratelimit-policy"] == '"submits";q=5;w=60, "jobs";q=10;w=86400'
    assert headers["ratelimit"].startswith('"submits";r=4;t=12, "jobs";r=9;t=')
    assert (await someone.me())["left"]["units_today"] == 9


async def test_a_job_of_several_pictures_holds_a_unit_for_each(api: Api) -> None:
    someone = await customer_of(api, "pro")
    job = await someone.job({**PICTURE, "batch_size": 3})
    assert job["usage"]["units"] == 3
    assert (await someone.me())["left"]["units_today"] == 97


async def test_a_key_that_may_only_read_submits_nothing(api: Api) -> None:
    someone = await customer_of(api)
    reader = type(someone)(api.http, await api.key(scopes=frozenset({"jobs:read"})))
    body = refused(await reader.submit(), 403, "insufficient_scope")
    assert body["scope"] == "jobs:write"


async def test_jobs_can_be_switched_off(make_api: MakeApi) -> None:
    someone = await customer_of(await make_api(jobs_enabled=False))
    for path in (JOBS, "/api/v1/generate"):
        refused(await someone.post(path, PICTURE), 503, "feature_disabled")
    assert (await someone.get(JOBS)).json()["data"] == []


async def test_with_keys_switched_off_anybody_may_submit_and_find_it_again(make_api: MakeApi) -> None:
    api = await make_api(auth_enabled=False)
    answer = await api.http.post(JOBS, json=dict(PICTURE))
    assert answer.status_code == 202
    assert (await api.http.get(answer.headers["location"])).json()["id"] == answer.json()["id"]
    assert [job["id"] for job in (await api.http.get(JOBS)).json()["data"]] == [answer.json()["id"]]
