"""The API in this process, on real servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from apps.api.main import build
from apps.resources import open_resources
from tests.fakes.api import Api, settings_for
from tests.servers import RedisServer, S3Server

MakeApi = Callable[..., Awaitable[Api]]


@pytest.fixture
async def make_api(valkey: RedisServer, s3: S3Server) -> AsyncIterator[MakeApi]:
    """Builds an API with some settings changed; closed at the end of the test."""
    opened: list[Api] = []

    async def make(redis_url: str | None = None, **changes: Any) -> Api:
        resources = await open_resources(settings_for(redis_url or valkey.url, s3, **changes))
        resources.background.append(asyncio.create_task(resources.directory.listen()))
        transport = httpx.ASGITransport(build(resources), raise_app_exceptions=False)
        opened.append(Api(resources, httpx.AsyncClient(transport=transport, base_url="http://arqade.test")))
        return opened[-1]

    yield make
    for api in opened:
        await api.http.aclose()
        await api.resources.close()


@pytest.fixture
async def api(make_api: MakeApi) -> Api:
    return await make_api()
