"""Whether a bucket is open, asked of real stores: the embedded one, the strict one, and one that asks for no key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from libs.artifacts.objects import Objects
from libs.embedded.objects import rclone_binary
from libs.embedded.part import MINIMAL_ENVIRONMENT, Part, http_answers
from libs.embedded.ports import Ports
from libs.embedded.process import start_child
from tests.conftest import S3Server
from tests.servers import running


@pytest.fixture
async def objects(each_s3: S3Server) -> AsyncIterator[Objects]:
    opened = Objects(each_s3.endpoint, each_s3.access_key, each_s3.secret_key, each_s3.bucket)
    await opened.open()
    yield opened
    opened.close()


@contextmanager
def open_store(folder: Path) -> Iterator[str]:
    """An object store that asks nobody for a key; where it is."""
    (folder / "buckets" / "arqade").mkdir(parents=True)
    port = Ports(folder / "ports.json").port_for("open")
    program = [str(rclone_binary()), "serve", "s3", "--config=", f"--addr=127.0.0.1:{port}", str(folder / "buckets")]
    part = Part(
        name="open store",
        spawn=lambda: start_child(
            "open", program, log=folder / "log", environment={**MINIMAL_ENVIRONMENT, "HOME": str(folder)},
            folder=folder, pid_file=folder / "pid",
        ),
        answers=lambda: http_answers("127.0.0.1", port, "/", frozenset({200})),
    )  # fmt: skip
    with running(part):
        yield f"127.0.0.1:{port}"


async def test_a_closed_bucket_is_found_closed_and_nothing_is_left_of_the_look(objects: Objects) -> None:
    assert await objects.open_to_anybody() == {}
    assert await objects.list("probe/") == ()


async def test_a_store_that_asks_for_no_key_is_open_to_everything(tmp_path: Path) -> None:
    with open_store(tmp_path) as endpoint:
        objects = Objects(endpoint, "access", "secret", "arqade")
        found = await objects.open_to_anybody()
        assert found == dict.fromkeys(("list", "write", "read"), "a request without any key did it")
        assert await objects.list("probe/") == ()
        objects.close()


async def test_an_access_list_is_read(strict_s3: S3Server) -> None:
    objects = Objects(strict_s3.endpoint, strict_s3.access_key, strict_s3.secret_key, "opened")
    await objects.open()
    assert await objects.open_to_anybody() == {}
    objects._requests.send("PUT", query={"acl": ""}, headers={"x-amz-acl": "public-read"})
    assert await objects.open_to_anybody() == {"list": "its access list says so"}
    objects.close()
