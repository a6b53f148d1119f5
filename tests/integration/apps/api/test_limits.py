"""429 means you, 503 means us."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx

from tests.fakes.api import Api
from tests.fakes.customers import JOBS, PICTURE, Customer, customer_of
from tests.fakes.problems import refused
from tests.integration.apps.api.conftest import MakeApi


def check_yours(answer: httpx.Response, code: str, policy: str) -> int:
    """A 429 that names the policy; the seconds to wait."""
    assert refused(answer, 429, code)["violated-policies"] == [policy]
    assert "x-ratelimit-remaining" in answer.headers
    return int(answer.headers["retry-after"])


async def test_the_sixth_submission_of_a_minute_is_one_too_many_on_free(api: Api) -> None:
    someone = await customer_of(api, "free")
    left = [(await someone.submit()).headers["x-ratelimit-remaining"] for _ in range(5)]
    assert left == ["4", "3", "2", "1", "0"]
    answer = await someone.submit()
    assert 11 <= check_yours(answer, "rate_limited", "submits") <= 12
    assert answer.headers["x-ratelimit-limit"] == "5"
    assert 59 <= int(answer.headers["x-ratelimit-reset"]) <= 60
    assert answer.headers["ratelimit-policy"] == '"submits";q=5;w=60, "jobs";q=10;w=86400'
    assert answer.headers["ratelimit"].startswith('"submits";r=0;t=')
    assert '"jobs";r=5;t=' in answer.headers["ratelimit"]


async def test_submissions_reads_and_users_have_buckets_of_their_own(api: Api) -> None:
    someone, other = await customer_of(api, "free", submits_per_minute=1), await customer_of(api, "free")
    await someone.job()
    check_yours(await someone.submit(), "rate_limited", "submits")
    assert (await someone.get(JOBS)).status_code == 200
    assert (await other.submit()).status_code == 202


async def test_a_used_up_quota_renews_at_midnight_utc(api: Api) -> None:
    someone = await customer_of(api, "pro", units_per_day=3)
    await someone.job({**PICTURE, "batch_size": 2})
    answer = await someone.submit({**PICTURE, "batch_size": 2})
    wait_s = check_yours(answer, "quota_exceeded", "jobs")
    now = datetime.now(UTC)
    midnight_s = 86_400 - (now.hour * 3_600 + now.minute * 60 + now.second)
    assert abs(wait_s - midnight_s) <= 5
    assert '"jobs";r=1;t=' in answer.headers["ratelimit"]
    assert (await someone.submit()).status_code == 202


async def test_a_canceled_job_gives_its_units_back(api: Api) -> None:
    someone = await customer_of(api, "free", units_per_day=1)
    job = await someone.job()
    check_yours(await someone.submit(), "quota_exceeded", "jobs")
    await someone.delete(f"{JOBS}/{job['id']}")
    assert (await someone.me())["left"]["units_today"] == 1
    assert (await someone.submit()).status_code == 202


async def test_a_caller_may_have_so_many_jobs_waiting_and_no_more(api: Api) -> None:
    someone = await customer_of(api, queued_max=2)
    first = await someone.job()
    await someone.job()
    assert check_yours(await someone.submit(), "queue_limit", "queued") >= 1
    await someone.delete(f"{JOBS}/{first['id']}")
    assert (await someone.submit()).status_code == 202


async def test_a_full_queue_is_ours_and_names_no_policy(make_api: MakeApi) -> None:
    api = await make_api(max_queue_size=2)
    someone, other = await customer_of(api), await customer_of(api)
    await someone.job()
    await other.job()
    for one in (someone, other):
        answer = await one.submit()
        assert "violated-policies" not in refused(answer, 503, "queue_full")
        assert 1 <= int(answer.headers["retry-after"]) <= 600


async def test_a_refused_submission_costs_neither_token_nor_unit_and_makes_no_job(make_api: MakeApi) -> None:
    api = await make_api(max_queue_size=1)
    someone = await customer_of(api, "free", submits_per_minute=3)
    await someone.job()
    before = (await someone.me())["left"]
    for _ in range(3):
        refused(await someone.submit(), 503, "queue_full")
    after = (await someone.me())["left"]
    assert (after["submits"], after["units_today"]) == (before["submits"], before["units_today"])
    assert len((await someone.get(JOBS)).json()["data"]) == 1


async def test_without_rate_limits_nobody_is_held_up_but_the_quota_still_counts(make_api: MakeApi) -> None:
    api = await make_api(rate_limit_enabled=False)
    someone = await customer_of(api, "free")
    for _ in range(10):
        assert (await someone.submit()).status_code == 202
    answer = await someone.submit()
    refused(answer, 429, "queue_limit")


async def test_a_revoked_key_is_refused_at_admission_however_fresh_the_memory_of_it(api: Api) -> None:
    someone = await customer_of(api)
    await someone.job()
    key_id = (await someone.me())["api_key"]["id"]
    await api.http.delete(f"/admin/api-keys/{key_id}", headers=await api.admin())
    answer = await Customer(api.http, someone.secret).submit()
    refused(answer, 401, "invalid_token")
    assert "x-ratelimit-limit" not in answer.headers
