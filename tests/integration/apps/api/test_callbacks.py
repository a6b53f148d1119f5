"""Callbacks of prediction APIs: a token opens one job, calls are signed where that is wanted, bodies say nothing."""

from __future__ import annotations

import asyncio
import time

import httpx

from libs.backends.prediction.callback import callback_token
from libs.jobs.lifecycle import Claim, claim, finish
from tests.fakes.api import PEPPER, Api
from tests.fakes.callers import make_caller, submit
from tests.fakes.prediction_api import WEBHOOK_SECRET, signed
from tests.integration.apps.conftest import MakeApi


async def waiting_jobs(api: Api, count: int = 1) -> list[str]:
    store, caller = api.resources.store, make_caller()
    ids = [(await submit(store, caller)).job_id for _ in range(count)]
    for one in await claimed(api):
        await finish(store, one.job_id, one.fence, "wait", delay_s=600)
    return ids


async def claimed(api: Api) -> tuple[Claim, ...]:
    return (await claim(api.resources.store, "w1", ["cpu"], 100, 30)).jobs


async def call(api: Api, job_id: str, body: bytes = b"{}", **headers: str) -> httpx.Response:
    token = callback_token(PEPPER.encode(), job_id, 1)
    return await api.http.post(f"/callbacks/{token}", content=body, headers=headers)


async def test_a_call_wakes_its_job_and_no_other_whatever_its_body_says(api: Api) -> None:
    first, _second = await waiting_jobs(api, 2)
    for body in (b"", b"not JSON", b'{"status": "succeeded", "output": "https://evil.example.com/"}'):
        assert (await call(api, first, body)).status_code == 204
    assert [one.job_id for one in await claimed(api)] == [first]


async def test_many_calls_at_once_wake_all(api: Api) -> None:
    ids = await waiting_jobs(api, 8)
    answers = await asyncio.gather(*[call(api, job_id) for job_id in ids])
    assert {answer.status_code for answer in answers} == {204}
    assert {one.job_id for one in await claimed(api)} == set(ids)


async def test_a_call_that_repeats_itself_or_comes_late_does_no_harm(api: Api) -> None:
    (job_id,) = await waiting_jobs(api)
    for _ in range(3):
        assert (await call(api, job_id)).status_code == 204
    (one,) = await claimed(api)
    await finish(api.resources.store, one.job_id, one.fence, "succeed")
    assert (await call(api, job_id)).status_code == 204
    assert not await claimed(api)


async def test_whoever_has_no_token_wakes_nobody(api: Api) -> None:
    (job_id,) = await waiting_jobs(api)
    token = callback_token(b"another pepper that is long enough", job_id, 1)
    for forged in (token, job_id, f"{job_id}-1-" + "A" * 24, "a" * 4_000):
        answer = await api.http.post(f"/callbacks/{forged}", content=b"{}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert not await claimed(api)


async def test_where_calls_are_signed_only_the_providers_own_counts(make_api: MakeApi) -> None:
    api = await make_api(replicate_webhook_secret=WEBHOOK_SECRET)
    (job_id,) = await waiting_jobs(api)
    body = b'{"id": "a"}'
    assert (await call(api, job_id, body)).status_code == 404
    assert (await call(api, job_id, b"{}", **signed("a", body))).status_code == 404
    stale = signed("a", body) | {"webhook-timestamp": str(int(time.time()) - 900)}
    assert (await call(api, job_id, body, **stale)).status_code == 404
    assert not await claimed(api)
    assert (await call(api, job_id, body, **signed("a", body))).status_code == 204
    assert [one.job_id for one in await claimed(api)] == [job_id]
