"""The API is killed at every point of a submission; the retry with the same idempotency key makes it one job."""

from __future__ import annotations

from pathlib import Path

import httpx

from libs.access.api_key import DEFAULT_SCOPES
from tests.fakes.api import Api
from tests.fakes.customers import JOBS, Customer
from tests.fakes.mortal_api import MortalApi, MortalApis, mortal_apis
from tests.patience import PATIENCE_S
from tests.servers import RedisServer, S3Server

ROOM = {"units_per_day": 1_000, "submits_per_minute": 1_000, "queued_max": 1_000}


async def submit(api: MortalApi, secret: str, key: str) -> httpx.Response | None:
    """The answer, None where the process died before it was told."""
    async with httpx.AsyncClient(base_url=api.url, timeout=PATIENCE_S) as http:
        try:
            return await Customer(http, secret).submit(idempotency_key=key)
        except httpx.TransportError:
            assert api.died()
            return None


async def killed_at(apis: MortalApis, step: int, secret: str, key: str) -> tuple[httpx.Response | None, bool]:
    """What a client hears of a process that dies at that step, and whether the process got that far."""
    api = apis.start(step)
    answer = await submit(api, secret, key)
    died = api.died()
    api.kill()
    return answer, died


async def test_however_far_a_submission_got_its_retry_makes_it_one_job(
    api: Api, tmp_path: Path, valkey: RedisServer, s3: S3Server
) -> None:
    secret = await api.key("pro", DEFAULT_SCOPES, **ROOM)
    someone = Customer(api.http, secret)
    ids: list[str] = []
    replayed: list[bool] = []
    with mortal_apis(tmp_path, valkey.url, s3) as apis:
        fresh = apis.start(0)
        died, step = True, 0
        while died:
            step += 1
            first, died = await killed_at(apis, step, secret, f"order-{step}")
            retried = await submit(fresh, secret, f"order-{step}")
            assert retried is not None
            assert retried.status_code == 202
            ids.append(retried.json()["id"])
            replayed.append("idempotent-replayed" in retried.headers)
            if first is not None:
                assert (first.status_code, first.json()["id"], replayed[-1]) == (202, ids[-1], True)
    assert len(set(ids)) == step
    assert replayed == sorted(replayed), "from the step on at which the job is in, every retry finds it"
    assert 3 <= replayed.count(False) <= step - 3, "deaths came before and after the job was in"
    jobs = (await someone.get(f"{JOBS}?limit=100")).json()["data"]
    assert sorted(job["id"] for job in jobs) == sorted(ids)
    assert (await someone.me())["left"]["units_today"] == ROOM["units_per_day"] - step
