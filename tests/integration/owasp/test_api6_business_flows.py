"""API6:2023 Unrestricted access to sensitive business flows.

The flow worth abusing here is the order of work that costs money. Proven elsewhere: quotas and caps
(apps/api/test_limits.py); five hundred posts with one key make one job (test_idempotency.py); fairness under a flood
(faults/test_f17_flood.py). Here: neither more keys, nor another door, nor ordering and canceling in turns gets a user
more than the plan.
"""

from __future__ import annotations

import asyncio

from tests.fakes.api import Api
from tests.fakes.customers import JOBS, PICTURE, Customer, customer_of
from tests.fakes.hands import end, start


async def second_key_of(api: Api, someone: Customer) -> Customer:
    body = {"user_id": (await someone.me())["id"], "name": "second"}
    minted = await api.http.post("/admin/api-keys", json=body, headers=await api.admin())
    return Customer(api.http, minted.json()["api_key"])


async def test_more_keys_are_no_more_quota(api: Api) -> None:
    first = await customer_of(api, "pro", units_per_day=3)
    second = await second_key_of(api, first)
    asked = [who.submit({**PICTURE, "seed": n}) for n in range(6) for who in (first, second)]
    told = [answer.status_code for answer in await asyncio.gather(*asked)]
    assert sorted(told) == [202] * 3 + [429] * 9


async def test_every_door_leads_to_the_same_counter(api: Api) -> None:
    someone = await customer_of(api, "pro", units_per_day=1)
    job_id = (await someone.job())["id"]
    await end(api.resources.store, await start(api.resources.store), "succeed")
    for path, body in ((JOBS, PICTURE), ("/api/v1/generate", PICTURE), (f"{JOBS}/{job_id}/retry", None)):
        answer = await someone.post(path, body, prefer="respond-async")
        assert (answer.status_code, answer.json()["code"]) == (429, "quota_exceeded")


async def test_ordering_and_canceling_in_turns_is_held_up_by_the_rate(api: Api) -> None:
    someone = await customer_of(api, "pro", units_per_day=1, submits_per_minute=3)
    told = []
    for _ in range(5):
        answer = await someone.submit()
        told.append(answer.status_code)
        if answer.status_code == 202:
            await someone.delete(f"{JOBS}/{answer.json()['id']}")
    assert told == [202, 202, 202, 429, 429]
