"""Workers in processes of their own, between an API and a stand-in ComfyUI that the test holds in its hands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.embedded.comfyui_standin import Standin
from tests.fakes.backends import Backend, settings_of
from tests.fakes.customers import Customer, customer_of
from tests.fakes.workers import WorkerProcess, worker_process
from tests.integration.apps.conftest import MakeApi
from tests.integration.apps.worker.workshop import OpenWorkshop, Workshop
from tests.patience import PATIENCE_S
from tests.servers import RedisServer, S3Server, redis_server, s3_server
from tests.system import System


@pytest.fixture
async def open_workshop(
    tmp_path: Path, make_api: MakeApi, valkey: RedisServer, s3: S3Server
) -> AsyncIterator[OpenWorkshop]:
    """Opens a workshop on the session's servers, or on those of the test."""
    async with AsyncExitStack() as stack:

        async def open_one(*, redis: RedisServer = valkey, objects: S3Server = s3, step_ms: float = 20) -> Workshop:
            standin = Standin(step_ms=step_ms)
            url = f"http://127.0.0.1:{await stack.enter_async_context(standin.listening())}"
            reached = {
                "minio_endpoint": objects.endpoint,
                "minio_access_key": objects.access_key,
                "minio_secret_key": objects.secret_key,
            }
            api = await make_api(redis.url, **reached)

            workers: list[WorkerProcess] = []

            def start_worker(**changes: Any) -> WorkerProcess:
                told = {"comfyui_url": url} | changes
                workers.append(stack.enter_context(worker_process(tmp_path, redis.url, objects, **told)))
                return workers[-1]

            return Workshop(api, await customer_of(api, "pro"), standin, start_worker, workers)

        yield open_one


@pytest.fixture
async def workshop(open_workshop: OpenWorkshop) -> Workshop:
    return await open_workshop()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that the test may kill."""
    (tmp_path / "redis").mkdir()
    with redis_server(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def own_s3(tmp_path: Path) -> Iterator[S3Server]:
    """An object store that the test may kill."""
    (tmp_path / "s3").mkdir()
    with s3_server(tmp_path / "s3") as server:
        yield server


@pytest.fixture
async def someone(system: System) -> AsyncIterator[Customer]:
    """A new user of the session's system, which has a worker and a stand-in of its own."""
    async with httpx.AsyncClient(base_url=system.url, timeout=70) as http:
        yield Customer(http, system.mint_api_key("PRO"))


@pytest.fixture
async def backend(system: System) -> AsyncIterator[Backend]:
    """The stand-in of the session's system; its faults end with the test."""
    async with httpx.AsyncClient(base_url=settings_of(system)["COMFYUI_URL"], timeout=PATIENCE_S) as http:
        backend = Backend(http)
        yield backend
        await backend.faults()
