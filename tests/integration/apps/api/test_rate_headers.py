"""The headers that tell a caller their limits, old ones and new ones, to the letter."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fakes.api import Api, bearer
from tests.fakes.customers import JOBS, PICTURE
from tests.integration.apps.api.conftest import MakeApi

UPLOAD = {"filename": "page.png", "content_type": "image/png", "size_bytes": 10}
NAMES = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit-policy", "ratelimit")


def told(answer: httpx.Response) -> dict[str, str]:
    return {name: answer.headers[name] for name in answer.headers if "ratelimit" in name}


def bucket(name: str, limit: int, left: int, reset_s: int) -> dict[str, str]:
    """What is told of one bucket alone."""
    words = (str(limit), str(left), str(reset_s), f'"{name}";q={limit};w=60', f'"{name}";r={left};t={reset_s}')
    return dict(zip(NAMES, words, strict=True))


async def ask(api: Api, secret: str, method: str, path: str, body: Any = None) -> httpx.Response:
    return await api.http.request(method, path, json=body, headers=bearer(secret))


@pytest.mark.parametrize(
    "plan, method, path, body, name, limit",
    [
        ("free", "GET", "/api/v1/me", None, "reads", 120),
        ("pro", "GET", JOBS, None, "reads", 600),
        ("internal", "GET", "/api/v1/me", None, "reads", 10_000),
        ("free", "POST", "/api/v1/uploads", UPLOAD, "uploads", 10),
        ("internal", "POST", "/api/v1/uploads", UPLOAD, "uploads", 600),
        ("internal", "POST", JOBS, PICTURE, "submits", 10_000),
    ],
)
async def test_a_request_tells_of_the_bucket_that_it_took_from(
    api: Api, plan: str, method: str, path: str, body: Any, name: str, limit: int
) -> None:
    answer = await ask(api, await api.key(plan), method, path, body)
    reset_s = -(-60 // limit)
    assert told(answer) == bucket(name, limit, limit - 1, reset_s)


async def test_a_submission_of_a_limited_plan_tells_of_the_days_units_too(api: Api) -> None:
    headers = told(await ask(api, await api.key("free"), "POST", JOBS, PICTURE))
    assert headers["ratelimit-policy"] == '"submits";q=5;w=60, "jobs";q=10;w=86400'
    submits, jobs = headers["ratelimit"].split(", ")
    assert submits == '"submits";r=4;t=12'
    assert jobs.startswith('"jobs";r=9;t=')
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("5", "4")


@pytest.mark.parametrize("path", ["/ping", "/health", "/ready", "/metrics", "/docs/errors", "/nowhere"])
@pytest.mark.parametrize("plan, limit", [("free", 120), ("internal", 10_000)])
async def test_public_routes_show_the_bucket_of_reads_and_leave_it_full(
    api: Api, path: str, plan: str, limit: int
) -> None:
    secret = await api.key(plan)
    for _ in range(2):
        assert told(await ask(api, secret, "GET", path)) == bucket("reads", limit, limit, 0)


async def test_unlimited_is_the_fleets_own_ceiling(make_api: MakeApi) -> None:
    api = await make_api(fleet_ceiling_per_minute=3)
    secret = await api.key("internal")
    answers = [await ask(api, secret, "GET", "/api/v1/me") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["x-ratelimit-limit"] for answer in answers] == ["3"] * 4


@pytest.mark.parametrize("status, path", [(403, "/admin/users"), (404, f"{JOBS}/nothing"), (405, "/api/v1/me")])
async def test_a_refused_caller_is_told_their_rates_too(api: Api, status: int, path: str) -> None:
    answer = await ask(api, await api.key(), "PUT" if status == 405 else "GET", path)
    assert answer.status_code == status
    assert set(told(answer)) == set(NAMES)


async def test_a_401_tells_none(api: Api) -> None:
    assert told(await ask(api, "garbage", "GET", "/api/v1/me")) == {}
