"""What a store may answer in a fault (F8), and what is made of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import anyio
import pytest

from libs.artifacts.objects import Objects
from libs.artifacts.pool import ObjectPool
from libs.errors import Unavailable
from libs.spool import Spool, Spooler
from tests.fakes.lying_store import LyingStore, answer, error, lying_store
from tests.run.promises import Prompt

ETAG = "ETag"


@pytest.fixture
async def liar() -> AsyncIterator[LyingStore]:
    async with lying_store() as store:
        yield store


@pytest.fixture
async def objects(liar: LyingStore) -> AsyncIterator[Objects]:
    opened = Objects(liar.endpoint, "access", "secret", "arqade")
    yield opened
    opened.close()


async def test_a_wrong_etag_is_no_success_and_its_object_is_removed(liar: LyingStore, objects: Objects) -> None:
    liar.say["PUT"] = lambda _: answer("200 OK", ETag='"0123456789abcdef0123456789abcdef"')
    liar.say["DELETE"] = lambda _: answer("204 No Content")
    with pytest.raises(Unavailable, match="did not keep what it was sent"):
        await objects.put("a", b"data", "text/plain")
    assert liar.asked == ["PUT", "DELETE"]


async def test_a_truncated_put_that_cannot_even_be_removed_is_no_success(liar: LyingStore, objects: Objects) -> None:
    liar.say["PUT"] = lambda request: answer("200 OK", ETag=type(request)("", "", request.body[:2]).etag)
    liar.say["DELETE"] = lambda _: error("403 Forbidden", "AccessDenied")
    with pytest.raises(Unavailable, match="did not keep what it was sent"):
        await objects.put("a", b"data", "text/plain")


@pytest.mark.parametrize("etag", ['"an etag of parts-2"', '""'])
async def test_where_the_etag_is_no_md5_the_size_decides(liar: LyingStore, objects: Objects, etag: str) -> None:
    liar.say["PUT"] = lambda _: answer("200 OK", ETag=etag)
    liar.say["HEAD"] = lambda _: answer("200 OK", length=4)
    liar.say["DELETE"] = lambda _: answer("204 No Content")
    await objects.put("a", b"data", "text/plain")
    liar.say["HEAD"] = lambda _: answer("200 OK", length=3)
    with pytest.raises(Unavailable):
        await objects.put("a", b"data", "text/plain")


async def test_an_encrypting_store_s_etag_is_not_taken_for_an_md5(liar: LyingStore, objects: Objects) -> None:
    liar.say["PUT"] = lambda _: answer(
        "200 OK", ETag='"0123456789abcdef0123456789abcdef"', x_amz_server_side_encryption_aws_kms_key_id="k"
    )
    liar.say["HEAD"] = lambda _: answer("200 OK", length=4)
    await objects.put("a", b"data", "text/plain")
    assert liar.asked == ["PUT", "HEAD"]


@pytest.mark.parametrize("content_type", ["application/xml", "text/xml; charset=utf-8"])
async def test_slow_down_is_tried_again_twice_and_then_unavailable(
    liar: LyingStore, objects: Objects, content_type: str, prompt: Prompt
) -> None:
    liar.say["PUT"] = lambda _: error("503 Slow Down", "SlowDown", content_type)
    with prompt(3):  # its Retry-After says an hour
        with pytest.raises(Unavailable, match="SlowDown"):
            await objects.put("a", b"data", "text/plain")
        assert liar.asked == ["PUT"] * 3


async def test_a_store_that_was_slow_for_a_moment_is_no_outage(liar: LyingStore, objects: Objects) -> None:
    replies = [error("503 Slow Down", "SlowDown"), answer("200 OK", b"data")]
    liar.say["GET"] = lambda _: replies.pop(0)
    assert await objects.get("a", bytes_max=10) == b"data"


@pytest.mark.parametrize(
    "said",
    [
        answer("404 Not Found", b"<html>nginx</html>", Content_Type="text/html"),
        answer("200 OK", b"da", length=4, Connection="close"),
        answer("404 Not Found", b"<Error><Code>NoSuch", Content_Type="application/xml"),
        answer("403 Forbidden", b"\xff\xfe", Content_Type="application/xml"),
        answer("307 Temporary Redirect", Location="http://127.0.0.1:9/elsewhere"),
        b"garbage\r\n\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nff\r\ncut",
    ],
    ids=["html", "cut off", "half an error", "no text", "redirect", "no http", "cut chunk"],
)
async def test_an_answer_that_is_none_is_unavailable_and_never_a_missing_object(
    liar: LyingStore, objects: Objects, said: bytes
) -> None:
    liar.say["GET"] = lambda _: said
    with pytest.raises(Unavailable) as away:
        await objects.get("a", bytes_max=1_000)
    assert away.value.part == "objects"
    liar.say["GET"] = lambda _: answer("200 OK", b"data")
    assert await objects.get("a", bytes_max=1_000) == b"data"


async def test_what_an_uploader_calls_compressed_is_not_unpacked(liar: LyingStore, objects: Objects) -> None:
    liar.say["GET"] = lambda _: answer("200 OK", b"\x1f\x8bdata", Content_Encoding="gzip")
    assert await objects.get("a", bytes_max=10) == b"\x1f\x8bdata"


async def test_a_hanging_store_is_unhealthy_soon_and_cancelling_does_not_wait_for_it(
    liar: LyingStore, objects: Objects, prompt: Prompt
) -> None:
    with prompt(1), anyio.move_on_after(0.1):
        await objects.put("a", b"data", "text/plain")
    with prompt(5):
        assert not await objects.healthy()


async def test_a_hanging_store_is_given_up(liar: LyingStore, objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient = ObjectPool(1, read_s=0.2)
    monkeypatch.setattr(objects._client, "_http", impatient)
    with pytest.raises(Unavailable):
        await objects.get("a", bytes_max=10)
    assert liar.asked == ["GET", "GET"]
    impatient.clear()


async def test_many_callers_share_few_connections(liar: LyingStore) -> None:
    objects = Objects(liar.endpoint, "access", "secret", "arqade", connections=3)
    liar.say["GET"] = lambda _: answer("200 OK", b"data")
    assert await asyncio.gather(*(objects.get("a", bytes_max=4) for _ in range(50))) == [b"data"] * 50
    objects.close()


def spool(size: int) -> Spool:
    spooler = Spooler(0)
    spooler.write(bytes(size))
    content = spooler.content()
    assert isinstance(content, Spool)
    return content


@pytest.mark.parametrize("told", [999, 1_001])
async def test_a_file_from_disk_that_arrived_in_another_size_is_removed(
    liar: LyingStore, objects: Objects, told: int
) -> None:
    liar.say["PUT"] = lambda _: answer("200 OK", ETag='"x"')
    liar.say["HEAD"] = lambda _: answer("200 OK", length=told)
    liar.say["DELETE"] = lambda _: answer("204 No Content")
    with pytest.raises(Unavailable, match="did not keep what it was sent"):
        await objects.put("a", spool(1_000), "text/plain")
    assert liar.asked[-1] == "DELETE"
