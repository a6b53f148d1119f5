from __future__ import annotations

from collections.abc import Iterator

import pytest

from libs.archive.records import Records
from libs.artifacts.objects import Objects
from libs.ids import new_id
from libs.store.cells import Cells
from libs.store.client import Store
from tests.conftest import S3Server


@pytest.fixture
def objects(s3: S3Server) -> Iterator[Objects]:
    """The session's bucket, which holds what other tests left: use users of your own."""
    opened = Objects(s3.endpoint, s3.access_key, s3.secret_key, s3.bucket)
    yield opened
    opened.close()


@pytest.fixture
def records(store: Store, objects: Objects) -> Records:
    return Records(Cells(store), objects, 0)


@pytest.fixture
def user_id() -> str:
    return new_id("usr")
