"""What comes behind a chunked body is never a header, and has an end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from libs import limits
from tests.fakes.api import ApiProcess, api_process
from tests.fakes.wire import flood, stored_key, talk
from tests.servers import RedisServer, S3Server

ENDLESS_BYTES = 24 * 1024 * 1024
CHUNKED = b"POST /admin/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
BODY = b"\r\n2\r\n{}\r\n0\r\n"
CLOSING = b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, valkey_session: RedisServer, s3: S3Server
) -> Iterator[ApiProcess]:
    with api_process(tmp_path_factory.mktemp("api"), valkey_session.url, s3) as process:
        yield process


@pytest.fixture
def secret(running: ApiProcess, valkey: RedisServer) -> bytes:
    return stored_key(valkey)


def trailers(size: int) -> bytes:
    """So many bytes of them, as they are counted: a name, a value, a colon and their end."""
    return b"".join(b"x-n%04d: %b\r\n" % (n, b"v" * 53) for n in range(size // 64))


def test_a_credential_in_a_trailer_signs_nobody_in_not_even_the_next_request(
    running: ApiProcess, secret: bytes
) -> None:
    trailer = b"X-API-Key: " + secret + b"\r\n\r\n"
    first, second = talk(running.address, CHUNKED + BODY + trailer + CLOSING)
    assert (first.status, second.status) == (401, 401)
    signed = CHUNKED.replace(b"\r\nHost", b"\r\nX-API-Key: " + secret + b"\r\nHost")
    first, second = talk(running.address, signed + BODY + b"\r\n" + CLOSING)
    assert (first.status, second.status) == (422, 401)


def test_trailers_of_eight_kib_are_dropped_and_more_are_refused(running: ApiProcess, secret: bytes) -> None:
    signed = CHUNKED + b"X-API-Key: " + secret + b"\r\n"
    fits, too_many = trailers(limits.TRAILERS_BYTES_MAX), trailers(limits.TRAILERS_BYTES_MAX + 64)
    first, second = talk(running.address, signed + BODY + fits + b"\r\n" + CLOSING)
    assert (first.status, second.status) == (422, 401)
    told = talk(running.address, signed + BODY + too_many + b"\r\n" + CLOSING)
    assert [(one.status, one.code) for one in told] == [(431, "headers_too_large")]
    assert told[0].headers["connection"] == "close"


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(b"a:\r\n" * 4_096, id="many small ones"),
        pytest.param(b"v" * 16_384, id="one without end"),
    ],
)
@pytest.mark.parametrize("path", [b"/ping", b"/api/v1/jobs"])
def test_trailers_without_end_are_cut_and_kept_nowhere(running: ApiProcess, path: bytes, piece: bytes) -> None:
    before = resident(running)
    head = CHUNKED.replace(b"/admin/users", path) + BODY + b"x: "
    sent, told = flood(running.address, head, piece, ENDLESS_BYTES)
    assert sent < ENDLESS_BYTES
    assert all(one.status in (401, 405, 431) for one in told)
    assert resident(running) - before < 8 * 1024 * 1024


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(b"0" * 16_384, id="a size of zeros"),
        pytest.param(b";a" * 8_192, id="extensions"),
        pytest.param(b'1;a="' + b"v" * 4_096 + b'"\r\nx\r\n', id="an extension for each byte"),
    ],
)
def test_chunks_that_are_mostly_something_else_are_cut(running: ApiProcess, secret: bytes, piece: bytes) -> None:
    head = CHUNKED + b"X-API-Key: " + secret + b"\r\n\r\n1"
    sent, told = flood(running.address, head if piece.startswith(b"0") else head + b"\r\nx\r\n1", piece, ENDLESS_BYTES)
    assert sent < ENDLESS_BYTES
    assert [one.code for one in told] in ([], ["headers_too_large"], ["malformed_request"])


def test_a_body_may_come_byte_by_byte(running: ApiProcess, secret: bytes) -> None:
    body = b'{"email":"a@example.com","role":"FREE"}' + b" " * 60_000
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    head = CHUNKED + b"Connection: close\r\nX-API-Key: " + secret + b"\r\n\r\n"
    (told,) = talk(running.address, head, *[chunks[n : n + 50_000] for n in range(0, len(chunks), 50_000)])
    assert told.status == 201


def resident(api: ApiProcess) -> int:
    lines = Path(f"/proc/{api.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
