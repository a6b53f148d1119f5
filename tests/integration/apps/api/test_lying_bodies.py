"""Bodies that are not as long as they say, over a real connection and with a key that would let them in."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.fakes.api import Api, ApiProcess, api_process
from tests.fakes.customers import JOBS, Customer, customer_of
from tests.patience import PATIENCE_S
from tests.servers import RedisServer, S3Server

ORDER = b'{"prompt":"a lighthouse"}'


@pytest.fixture(scope="module")
def process(
    tmp_path_factory: pytest.TempPathFactory, valkey_session: RedisServer, s3: S3Server
) -> Iterator[ApiProcess]:
    with api_process(tmp_path_factory.mktemp("api"), valkey_session.url, s3) as process:
        yield process


@pytest.fixture
async def someone(api: Api) -> Customer:
    return await customer_of(api)


def say(process: ApiProcess, someone: Customer, headers: bytes, body: bytes, *, hang_up: bool = False) -> bytes:
    """Send a submission as it stands here, and read until the other side closes; who hangs up reads nothing."""
    head = (
        b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\nX-API-Key: "
    )
    with socket.create_connection(process.address, timeout=PATIENCE_S) as connection:
        connection.sendall(head + someone.secret.encode() + b"\r\n" + headers + b"\r\n\r\n" + body)
        if hang_up:
            return b""
        return b"".join(iter(lambda: connection.recv(65_536), b""))


async def jobs(someone: Customer) -> int:
    return len((await someone.get(JOBS)).json()["data"])


@pytest.mark.parametrize(
    "headers, body",
    [
        (b"Transfer-Encoding: chunked", b"5\r\n" + ORDER + b"\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked", b"-1\r\n" + ORDER + b"\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked", b"zz\r\n" + ORDER + b"\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 25", b"19\r\n" + ORDER + b"\r\n0\r\n\r\n"),
        (b"Content-Length: 24", ORDER),
        (b"Content-Length: 25\r\nContent-Length: 24", ORDER),
    ],
)
async def test_a_body_that_lies_about_its_length_is_malformed(
    process: ApiProcess, someone: Customer, headers: bytes, body: bytes
) -> None:
    answer = say(process, someone, headers, body)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"malformed_request"' in answer
    assert await jobs(someone) == 0


async def test_a_body_that_tells_the_truth_in_chunks_makes_a_job(process: ApiProcess, someone: Customer) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in ORDER)
    answer = say(process, someone, b"Transfer-Encoding: chunked", chunks + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 202 ")
    assert await jobs(someone) == 1


async def test_eleven_megabytes_in_chunks_are_too_large_and_their_sender_is_told(
    process: ApiProcess, someone: Customer
) -> None:
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    answer = say(process, someone, b"Transfer-Encoding: chunked", chunk * 11 + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"body_too_large"' in answer
    assert await jobs(someone) == 0


@pytest.mark.parametrize(
    "headers, body",
    [
        (b"Content-Length: 1000", ORDER),
        (b"Content-Length: 26", ORDER),
        (b"Transfer-Encoding: chunked", b"ffff\r\n" + ORDER),
        (b"Transfer-Encoding: chunked", b"%x\r\n" % len(ORDER) + ORDER + b"\r\n"),
    ],
)
async def test_who_hangs_up_before_the_end_of_a_body_makes_no_job_and_harms_nobody(
    process: ApiProcess, someone: Customer, headers: bytes, body: bytes
) -> None:
    say(process, someone, headers, body, hang_up=True)
    async with httpx.AsyncClient(base_url=process.url, timeout=PATIENCE_S) as http:
        assert (await Customer(http, someone.secret).submit()).status_code == 202
    assert await jobs(someone) == 1
    assert [line for line in process.lines() if line["level"] == "error"] == []
