from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from libs.archive.records import Records
from libs.artifacts.objects import Objects
from libs.ids import new_id
from libs.store.cells import Cells
from libs.store.client import Store
from tests.conftest import S3Server
from tests.fakes.history import own_bucket


@pytest.fixture
async def objects(s3: S3Server) -> AsyncIterator[Objects]:
    """A bucket of the test's own: what is archived of all users has no name of its own."""
    async with own_bucket(s3) as opened:
        yield opened


@pytest.fixture
def records(store: Store, objects: Objects) -> Records:
    return Records(Cells(store), objects, 0)


@pytest.fixture
def user_id() -> str:
    return new_id("usr")
