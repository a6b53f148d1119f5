from __future__ import annotations

import asyncio
import secrets
from urllib.parse import urlsplit

import anyio
import httpx
import pytest

from libs.artifacts.objects import Objects
from libs.errors import Unavailable
from tests.conftest import S3Server, s3_server
from tests.fakes.upload_desk import put
from tests.patience import PATIENCE_S
from tests.run.promises import Prompt


@pytest.fixture
def name(user_id: str) -> str:
    return f"{user_id}/2026/01/02/job/attempt-1/0-abc.png"


async def test_what_is_put_is_got(objects: Objects, name: str) -> None:
    data = secrets.token_bytes(300_000)
    await objects.put(name, data, "image/png")
    assert await objects.get(name, bytes_max=300_000) == data
    assert await objects.get(name, bytes_max=10, offset=299_995, length=10) == data[-5:]
    facts = await objects.stat(name)
    assert facts is not None
    assert (facts.name, facts.size_bytes) == (name, 300_000)


async def test_an_empty_object_is_an_object(objects: Objects, name: str) -> None:
    await objects.put(name, b"", "text/plain")
    assert await objects.get(name, bytes_max=0) == b""


async def test_an_object_of_more_than_one_part_is_put_whole(objects: Objects, name: str) -> None:
    data = bytes(11 * 1024 * 1024)
    await objects.put(name, data, "application/octet-stream")
    digest = await objects.digest(name, bytes_max=len(data), head_bytes=100)
    assert digest is not None
    assert (digest.size_bytes, digest.head) == (len(data), bytes(100))


async def test_a_missing_object_is_none(objects: Objects, name: str) -> None:
    assert await objects.get(name, bytes_max=1) is None
    assert await objects.stat(name) is None
    assert await objects.digest(name, bytes_max=1, head_bytes=1) is None
    await objects.remove(name)


async def test_no_more_is_read_than_was_allowed(objects: Objects, name: str) -> None:
    await objects.put(name, bytes(1_000), "image/png")
    with pytest.raises(ValueError, match="larger than 999 bytes"):
        await objects.get(name, bytes_max=999)
    with pytest.raises(ValueError, match="larger than 999 bytes"):
        await objects.digest(name, bytes_max=999, head_bytes=10)


async def test_what_is_not_read_to_its_end_gives_its_connection_back(s3: S3Server, name: str) -> None:
    objects = Objects(s3.endpoint, s3.access_key, s3.secret_key, s3.bucket, connections=1)
    await objects.put(name, bytes(1_000_000), "image/png")
    with anyio.fail_after(PATIENCE_S):
        for _ in range(3):
            with pytest.raises(ValueError, match="larger"):
                await objects.get(name, bytes_max=10)
        assert await objects.get(name, bytes_max=10, length=10) == bytes(10)
    objects.close()


async def test_removed_is_gone(objects: Objects, name: str) -> None:
    await objects.put(name, b"1", "image/png")
    await objects.remove(name)
    assert await objects.stat(name) is None


async def test_a_folder_is_listed_in_pages_and_removed_whole(objects: Objects, user_id: str) -> None:
    names = [f"{user_id}/2026/01/02/job/attempt-1/{index}-x.txt" for index in range(5)]
    other = f"{user_id}/2026/01/02/job2/attempt-1/0-x.txt"
    for each in [*names, other]:
        await objects.put(each, b"x", "text/plain")

    first = await objects.list(f"{user_id}/2026/01/02/job/", limit=3)
    rest = await objects.list(f"{user_id}/2026/01/02/job/", after=first[-1].name)
    assert [each.name for each in (*first, *rest)] == names
    assert await objects.remove_all(f"{user_id}/2026/01/02/job/") == 5
    assert [each.name for each in await objects.list(f"{user_id}/")] == [other]


async def test_a_presigned_url_downloads_an_attachment_of_our_type(objects: Objects, name: str) -> None:
    await objects.put(name, b"<script>alert(1)</script>", "text/html")
    url = objects.presigned_get(name, 60, filename="ü b.txt", content_type="text/plain")
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        answer = await client.get(url)
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["content-disposition"].startswith("attachment;")


async def test_a_presigned_url_is_good_for_one_object_one_method_and_its_time(objects: Objects, name: str) -> None:
    await objects.put(name, b"1", "image/png")
    url = objects.presigned_get(name, 600, filename="a.png", content_type="image/png")
    brief = objects.presigned_get(name, 1, filename="a.png", content_type="image/png")
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        assert (await client.get(url)).status_code == 200
        assert (await client.put(url, content=b"2")).status_code == 403
        assert (await client.get(url.replace("0-abc", "0-abd"))).status_code == 403
        assert (await client.get(url.replace("image%2Fpng", "text%2Fhtml"))).status_code == 403
        with anyio.fail_after(PATIENCE_S):
            while (await client.get(brief)).status_code not in {400, 403}:
                await asyncio.sleep(0.1)  # the store's clock tells no event


async def test_a_presigned_put_stores_what_is_sent(objects: Objects, name: str) -> None:
    data = b"sent by a caller"
    await put(objects.presigned_put(name, 60, content_type="image/png", size_bytes=len(data)), data)
    assert await objects.get(name, bytes_max=100) == b"sent by a caller"


async def test_urls_work_through_the_public_endpoint(s3: S3Server, objects: Objects, name: str) -> None:
    port = s3.endpoint.rpartition(":")[2]
    public = Objects(s3.endpoint, s3.access_key, s3.secret_key, s3.bucket, public_endpoint=f"http://localhost:{port}")
    url = public.presigned_put(name, 60, content_type="image/png", size_bytes=1)
    assert urlsplit(url).hostname == "localhost"
    await put(url, b"1")
    assert await objects.get(name, bytes_max=1) == b"1"


async def test_the_bucket_is_made_once_whoever_comes_first(s3: S3Server, caplog: pytest.LogCaptureFixture) -> None:
    bucket = f"made-{secrets.token_hex(4)}"
    several = [
        Objects(
            s3.endpoint,
            s3.access_key,
            s3.secret_key,
            bucket,
            browser_origins=["https://app.example.com"],
            expire_days={"user_": 100},
        )
        for _ in range(8)
    ]
    caplog.set_level("INFO", "libs.artifacts.bucket")
    await asyncio.gather(*(each.open() for each in several))
    assert await several[0].healthy()
    assert "takes no cross-origin rule (BucketAlreadyExists)" in caplog.text
    assert "takes no lifecycle rule" in caplog.text
    for each in several:
        each.close()


async def test_a_bucket_that_is_missing_is_no_missing_object(s3: S3Server) -> None:
    elsewhere = Objects(s3.endpoint, s3.access_key, s3.secret_key, "nowhere")
    assert not await elsewhere.healthy()
    with pytest.raises(Unavailable, match="MINIO_BUCKET"):
        await elsewhere.put("a", b"1", "text/plain")
    elsewhere.close()


@pytest.mark.parametrize("wrong", ["access", "secret"])
async def test_wrong_credentials_say_which_settings_to_check(s3: S3Server, wrong: str) -> None:
    access = "nobody" if wrong == "access" else s3.access_key
    secret = "guessed" if wrong == "secret" else s3.secret_key
    stranger = Objects(s3.endpoint, access, secret, s3.bucket)
    assert not await stranger.healthy()
    with pytest.raises(Unavailable, match="MINIO_ACCESS_KEY and MINIO_SECRET_KEY") as refused:
        await stranger.open()
    assert refused.value.part == "objects"
    for call in (stranger.put("a", b"1", "text/plain"), stranger.get("a", bytes_max=1), stranger.stat("a")):
        with pytest.raises(Unavailable, match="MINIO_ACCESS_KEY and MINIO_SECRET_KEY"):
            await call
    stranger.close()


async def test_a_store_that_goes_away_is_unavailable_at_once_and_comes_back(
    tmp_path_factory: pytest.TempPathFactory, prompt: Prompt
) -> None:
    with s3_server(tmp_path_factory.mktemp("s3 of its own")) as server:
        objects = Objects(server.endpoint, server.access_key, server.secret_key, server.bucket)
        await objects.put("a/b", b"1", "text/plain")
        server.child.stop(server.part.grace_s)

        with prompt(3):
            assert not await objects.healthy()
            for call in (objects.open(), objects.put("a/c", b"1", "text/plain"), objects.get("a/b", bytes_max=1)):
                with pytest.raises(Unavailable):
                    await call

        again = server.part.spawn()
        try:
            with anyio.fail_after(PATIENCE_S):
                while not await objects.healthy():
                    await asyncio.sleep(0.02)  # another process tells no event
            assert await objects.get("a/b", bytes_max=1) == b"1"
        finally:
            again.stop(server.part.grace_s)
            objects.close()


async def test_canceled_calls_leave_every_connection_usable(s3: S3Server, user_id: str) -> None:
    objects = Objects(s3.endpoint, s3.access_key, s3.secret_key, s3.bucket, connections=2)
    data = secrets.token_bytes(2_000_000)
    await objects.put(f"{user_id}/whole", data, "image/png")
    for round_ in range(15):
        with anyio.move_on_after(0.001 * round_):
            async with anyio.create_task_group() as group:
                for index in range(4):
                    group.start_soon(objects.put, f"{user_id}/{index}", data, "image/png")
                    group.start_soon(lambda: objects.get(f"{user_id}/whole", bytes_max=len(data)))
    assert await objects.get(f"{user_id}/whole", bytes_max=len(data)) == data
    for facts in await objects.list(f"{user_id}/"):
        assert facts.size_bytes == len(data)
    objects.close()
