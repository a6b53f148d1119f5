"""A submission costs an attempt whatever comes of it, and a refused one what it cost us."""

from __future__ import annotations

from typing import Any

import httpx
import orjson

from libs import limits
from tests.fakes.api import Api
from tests.fakes.customers import BATCHES, COMPARISONS, JOBS, PICTURE, Customer, customer_of
from tests.fakes.problems import refused
from tests.integration.apps.api.conftest import MakeApi

ODD = {"prompt": "x", "loras": [{"a": 1}] * 499_000}
FOUR_MB = orjson.dumps(ODD)[:4_000_000]


async def send(someone: Customer, body: bytes, path: str = JOBS) -> httpx.Response:
    headers = {"Authorization": f"Bearer {someone.secret}", "Content-Type": "application/json"}
    return await someone.http.post(path, content=body, headers=headers)


def no_attempt_left(answer: httpx.Response) -> bool:
    return (
        answer.status_code == 429
        and refused(answer, 429, "rate_limited")["violated-policies"] == ["attempts"]
        and int(answer.headers["retry-after"]) >= 1
    )


async def test_ten_refusals_of_four_megabytes_empty_a_free_key(api: Api) -> None:
    someone = await customer_of(api, "free")
    answers = [await send(someone, FOUR_MB) for _ in range(10)]
    assert {answer.status_code for answer in answers} <= {400, 429}
    assert no_attempt_left(await send(someone, FOUR_MB))
    assert no_attempt_left(await someone.submit())
    assert (await someone.get(JOBS)).status_code == 200  # they may still look


async def test_what_one_user_tries_is_no_matter_to_another(api: Api) -> None:
    someone, other = await customer_of(api, "free", attempts_per_submit=1), await customer_of(api, "free")
    for _ in range(6):
        answer = await someone.submit({"prompt": ""})
    assert no_attempt_left(answer)
    assert (await other.submit()).status_code == 202


async def test_a_replay_costs_an_attempt_and_neither_a_submit_nor_a_unit(api: Api) -> None:
    someone = await customer_of(api, "free", submits_per_minute=1, units_per_day=1, attempts_per_submit=4)
    statuses = [(await someone.submit(idempotency_key="k")).status_code for _ in range(4)]
    assert statuses == [202] * 4
    assert no_attempt_left(await someone.submit(idempotency_key="k"))
    assert len((await someone.get(JOBS)).json()["data"]) == 1


async def test_every_door_to_a_submission_costs_one(api: Api) -> None:
    for path, body in (
        (JOBS, {}),
        (BATCHES, {"kind": "generate", "items": []}),
        (COMPARISONS, {}),
        ("/api/v1/generate", {}),
        ("/api/v1/batch", {"images": []}),
        ("/api/v1/ocr-ecosteps", {}),
        (f"{JOBS}/job_nothing/retry", None),
    ):
        someone = await customer_of(api, "free", submits_per_minute=1, attempts_per_submit=1)
        assert (await someone.post(path, body)).status_code in (404, 422)
        assert no_attempt_left(await someone.post(path, body)), path


async def test_what_came_to_nothing_is_counted_for_all_processes_with_the_next_admission(
    make_api: MakeApi, api: Api
) -> None:
    someone = await customer_of(api, "free", submits_per_minute=6, attempts_per_submit=1)
    twin = Customer((await make_api()).http, someone.secret)
    for _ in range(5):
        refused(await someone.submit({"prompt": ""}), 422, "validation_failed")
    await someone.job()  # five of six are counted
    refused(await twin.submit({"prompt": ""}), 422, "validation_failed")
    assert (await twin.submit()).status_code == 202  # and the sixth
    assert no_attempt_left(await twin.submit({**PICTURE, "seed": 8}))


async def test_a_large_body_takes_its_attempt_before_it_is_read(make_api: MakeApi, api: Api) -> None:
    someone = await customer_of(api, "free", submits_per_minute=1, attempts_per_submit=20)
    twin = Customer((await make_api()).http, someone.secret)
    large = orjson.dumps({"prompt": "x" * limits.ATTEMPT_BYTES * 3})
    for _ in range(5):
        await send(someone, large)
    assert no_attempt_left(await send(twin, large))
    assert no_attempt_left(await someone.submit())
    assert no_attempt_left(await twin.submit())  # the twin has learned it


async def calls(api: Api) -> dict[str, int]:
    """How often each command of Redis was called, within scripts too."""
    told: Any = await api.resources.store.call("INFO", "commandstats")
    lines = [line.split(":") for line in told.decode().splitlines() if line.startswith("cmdstat_")]
    return {name.removeprefix("cmdstat_"): int(rest.split(",")[0].removeprefix("calls=")) for name, rest in lines}


async def test_a_small_submission_is_one_round_trip_and_asks_redis_no_more_than_it_did(api: Api) -> None:
    someone = await customer_of(api, "pro")
    await someone.job()
    await api.resources.store.call("CONFIG", "RESETSTAT")
    for seed in range(5):
        await someone.job({**PICTURE, "seed": seed})
    counted = await calls(api)
    assert counted["evalsha"] == 5
    # The buckets of submits and attempts are read by one command, and that of submits is written; ARQ's payload is set.
    assert (counted["mget"], counted["set"]) == (5, 10)


async def test_a_refused_small_submission_asks_redis_only_for_what_its_headers_tell(api: Api) -> None:
    someone = await customer_of(api, "pro")
    refused(await someone.submit({"prompt": ""}), 422, "validation_failed")
    await api.resources.store.call("CONFIG", "RESETSTAT")
    refused(await someone.submit({"prompt": ""}), 422, "validation_failed")
    counted = await calls(api)
    assert (counted["evalsha"], counted.get("set", 0)) == (1, 0)
