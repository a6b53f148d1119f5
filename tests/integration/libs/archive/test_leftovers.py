"""Parts that nobody will complete are given up, on both object stores."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from libs.archive.leftovers import give_up_leftovers
from libs.artifacts.names import upload_name
from libs.artifacts.objects import Objects
from libs.ids import new_id
from libs.store.client import Store
from tests.conftest import S3Server


@pytest.fixture
async def objects(each_s3: S3Server) -> AsyncIterator[Objects]:
    opened = Objects(each_s3.endpoint, each_s3.access_key, each_s3.secret_key, each_s3.bucket)
    await opened.open()
    yield opened
    opened.close()


async def test_what_was_begun_and_is_in_no_record_is_given_up_when_it_is_old(store: Store, objects: Objects) -> None:
    user_id, known, unknown = new_id("usr"), new_id("upload"), new_id("upload")
    names = {upload: upload_name(user_id, upload, 1) for upload in (known, unknown)}
    begun = {upload: await objects.begin_parts(name, "image/png") for upload, name in names.items()}
    await store.call("HSET", store.keys.upload + known, "multipart", begun[known])
    # Others of the session's may be there too: each is left alone while it is young.
    assert await give_up_leftovers(store, objects, time.time() - 3_600) == 0
    assert await give_up_leftovers(store, objects, time.time() + 3_600) >= 1
    assert await objects.list_parts(names[unknown], begun[unknown]) is None
    assert await objects.list_parts(names[known], begun[known]) == ()
    await objects.abort_parts(names[known], begun[known])
