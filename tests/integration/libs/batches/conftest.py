"""A desk on the session's Redis, which is empty, and its object store."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from libs.artifacts.objects import Objects
from libs.store.client import Store
from tests.fakes.batches import Desk
from tests.servers import S3Server


@pytest.fixture
async def objects(s3: S3Server) -> AsyncIterator[Objects]:
    opened = Objects(s3.endpoint, s3.access_key, s3.secret_key, s3.bucket, "us-east-1")
    await opened.open()
    yield opened
    opened.close()


@pytest.fixture
async def desk(store: Store, objects: Objects) -> Desk:
    return Desk(store, objects)
