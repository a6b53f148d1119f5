"""The API behind a real proxy that is trusted: what it says of the client cannot be overridden by the client."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from libs import limits
from tests.fakes.api import ApiProcess, api_process
from tests.fakes.proxy import haproxy
from tests.fakes.wire import Answer, flood, stored_key, talk
from tests.servers import RedisServer, S3Server

ELSEWHERE = b"X-Forwarded-For: 203.0.113.7\r\n"
BODY = b"\r\n2\r\n{}\r\n0\r\n"
LAST = b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
ENDLESS_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Behind:
    """An API and the address of its proxy."""

    api: ApiProcess
    address: tuple[str, int]

    def talk(self, *pieces: bytes) -> list[Answer]:
        return talk(self.address, *pieces)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory, valkey_session: RedisServer, s3: S3Server) -> Iterator[Behind]:
    folder = tmp_path_factory.mktemp("behind")
    with (
        api_process(folder, valkey_session.url, s3, trusted_proxies="127.0.0.1") as api,
        haproxy(folder, api.address) as address,
    ):
        yield Behind(api, address)


def order(key: bytes, *more: bytes) -> bytes:
    head = b"POST /admin/users HTTP/1.1\r\nHost: x\r\nX-API-Key: " + key + b"\r\nContent-Type: application/json\r\n"
    return head + b"".join(more) + b"Transfer-Encoding: chunked\r\n"


def test_a_key_bound_to_one_network_works_from_there_alone_whatever_a_trailer_says(
    behind: Behind, valkey: RedisServer
) -> None:
    here, elsewhere = stored_key(valkey, networks=["127.0.0.1/32"]), stored_key(valkey, networks=["203.0.113.0/24"])
    first, _ = behind.talk(order(here) + BODY + b"\r\n" + LAST)
    assert first.status == 422
    first, second = behind.talk(order(elsewhere) + BODY + ELSEWHERE + b"\r\n" + LAST)
    assert (first.status, second.status) == (401, 401)
    first, _ = behind.talk(order(here) + BODY + ELSEWHERE + b"\r\n" + LAST)
    assert first.status == 422


def test_trailers_without_end_are_cut_through_the_proxy_too(behind: Behind, valkey: RedisServer) -> None:
    key, before = stored_key(valkey), resident(behind.api)
    sent, told = flood(behind.address, order(key) + BODY, b"a:\r\n" * 4_096, ENDLESS_BYTES)
    assert sent < ENDLESS_BYTES
    assert all(one.status in (400, 431, 502) for one in told)
    assert resident(behind.api) - before < 8 * 1024 * 1024


def test_an_upgrade_that_is_none_of_ours_smuggles_no_request_past_the_proxy(
    behind: Behind, valkey: RedisServer
) -> None:
    smuggled = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"POST /ping HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n"
    answers = behind.talk(head + b"Content-Length: %d\r\n\r\n" % len(smuggled) + smuggled, LAST)
    assert [one.status for one in answers] == [405, 401]


def test_many_clients_of_one_proxy_share_its_connections_and_none_its_limits(behind: Behind) -> None:
    ping = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
    answers = behind.talk(ping * (4 * limits.PIPELINED_REQUESTS_MAX) + LAST)
    assert [one.status for one in answers[:-1]] == [200] * (4 * limits.PIPELINED_REQUESTS_MAX)


def resident(api: ApiProcess) -> int:
    lines = Path(f"/proc/{api.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
