"""API4:2023 Unrestricted resource consumption.

Proven elsewhere: buckets, quotas and caps (apps/api/test_limits.py), bodies that lie (test_lying_bodies.py), slow
senders (test_slow_senders.py), connections per address (test_connections.py), compressed bombs
(libs/egress/test_what_comes_back.py) and bombs of pixels (libs/backends/ocr/test_harm.py). Here the two holes of the
replaced service: a limiter that let everybody through when Redis was away, and a body limit that believed
Content-Length; and that every route of the table has a bucket.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from apps.api.routes import ROUTES
from apps.api.routing import PUBLIC
from tests.fakes.api import Api, bearer
from tests.fakes.customers import JOBS, PICTURE, customer_of
from tests.fakes.problems import refused
from tests.integration.owasp.conftest import MakeApi
from tests.integration.owasp.two_users import FILE
from tests.patience import PATIENCE_S
from tests.servers import RedisServer, redis_server

BODY_BYTES_MAX = 4_096
#: Its answer, 404, takes nothing from Redis but the caller and the token.
NO_KIND = "/api/v1/kinds/nothing"


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


def test_every_guarded_route_spends_from_a_bucket() -> None:
    assert not [f"{route.method} {route.path}" for route in ROUTES if (route.bucket is None) != (route.scope == PUBLIC)]


async def test_a_limiter_that_cannot_count_lets_nobody_through(own_redis: RedisServer, make_api: MakeApi) -> None:
    api = await make_api(own_redis.url, redis_timeout_s=0.8)
    someone = await customer_of(api, "free", submits_per_minute=1, reads_per_minute=1, uploads_per_minute=1)
    await someone.get(NO_KIND)  # spends the one read, and has the key remembered: the limiter alone is asked below
    asked = [("GET", NO_KIND, None), ("GET", JOBS, None), ("POST", JOBS, PICTURE), ("POST", "/api/v1/uploads", FILE)]
    os.kill(own_redis.child.pid, signal.SIGSTOP)
    try:
        for method, path, body in asked * 2:
            answer = await api.http.request(method, path, json=body, headers=bearer(someone.secret))
            refused(answer, 503, "dependency_unavailable")
    finally:
        os.kill(own_redis.child.pid, signal.SIGCONT)
    async with asyncio.timeout(PATIENCE_S):
        while (answer := await someone.get(NO_KIND)).status_code == 503:
            await asyncio.sleep(0.02)
    refused(answer, 429, "rate_limited")


@pytest.mark.parametrize("declared, code", [(None, "body_too_large"), ("10", "malformed_request")])
async def test_a_body_is_counted_as_it_comes_whatever_its_header_says(
    make_api: MakeApi, declared: str | None, code: str
) -> None:
    api = await make_api(body_bytes_max=BODY_BYTES_MAX)
    someone = await customer_of(api)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 1_024

    headers = bearer(someone.secret) | {"content-type": "application/json"}
    if declared is not None:
        headers["content-length"] = declared
    answer = await api.http.post(JOBS, content=pieces(), headers=headers)
    assert answer.json()["code"] == code
    assert (await someone.get(JOBS)).json()["data"] == []


async def test_a_page_is_never_longer_than_its_ceiling(api: Api) -> None:
    someone = await customer_of(api)
    for limit in ("101", "1000000000", "-1", "1e9"):
        refused(await someone.get(f"{JOBS}?limit={limit}"), 422, "validation_failed")
