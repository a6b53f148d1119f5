from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator

import pytest
from PIL import Image

from libs.artifacts.objects import Objects
from libs.ids import new_id
from libs.store.client import Store
from tests.conftest import RedisServer, S3Server
from tests.fakes.upload_desk import Desk
from tests.servers import open_store


@pytest.fixture
def objects(s3: S3Server) -> Iterator[Objects]:
    opened = Objects(s3.endpoint, s3.access_key, s3.secret_key, s3.bucket)
    yield opened
    opened.close()


@pytest.fixture
async def store(valkey: RedisServer) -> AsyncIterator[Store]:
    opened = await open_store(valkey.url, "test")
    yield opened
    await opened.close()


@pytest.fixture
def user_id() -> str:
    return new_id("user")


@pytest.fixture
def png() -> bytes:
    file = io.BytesIO()
    Image.effect_noise((64, 48), 50).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def desk(store: Store, objects: Objects, user_id: str) -> Desk:
    return Desk(store, objects, user_id)
