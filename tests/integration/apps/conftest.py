"""The API in this process, on real servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest

from apps.api.main import build
from apps.resources import open_resources
from libs.errors import Unavailable
from libs.store.client import Store
from tests.fakes.api import Api, settings_for
from tests.servers import RedisServer, S3Server

MakeApi = Callable[..., Awaitable[Api]]
#: The bucket is the session's: what a test before has noted of its log of acts is not held against this one.
_ANCHOR = "archive/audit-anchor/head.json"
_DAY_S, _MARGIN_S = 86_400, 10


@pytest.fixture(autouse=True)
def same_day() -> None:
    """Quotas are by the day (UTC): a test that would run into the next one begins there."""
    left_s = _DAY_S - time.time() % _DAY_S
    if left_s < _MARGIN_S:
        time.sleep(left_s)


@pytest.fixture
async def make_api(valkey: RedisServer, s3: S3Server) -> AsyncIterator[MakeApi]:
    """Builds an API with some settings changed; closed at the end of the test."""
    s3.forget(_ANCHOR)
    opened: list[Api] = []

    async def make(redis_url: str | None = None, **changes: Any) -> Api:
        resources = await open_resources(settings_for(redis_url or valkey.url, s3, **changes))
        resources.background.append(asyncio.create_task(resources.directory.listen()))
        await _connected(resources.store)
        transport = httpx.ASGITransport(build(resources), raise_app_exceptions=False)
        opened.append(Api(resources, httpx.AsyncClient(transport=transport, base_url="http://arqade.test")))
        return opened[-1]

    yield make
    for api in opened:
        await api.http.aclose()
        await api.resources.close()


async def _connected(store: Store) -> None:
    """Give a busy machine the time that a caller would not; a Redis that is away stays away."""
    for _ in range(50):
        with suppress(Unavailable):
            await store.call("PING")
            return
        await asyncio.sleep(0.02)


@pytest.fixture
async def api(make_api: MakeApi) -> Api:
    return await make_api()
