"""Twenty failed credentials a minute of one address, and no more."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from libs.access.api_key import mint
from tests.fakes.api import Api, bearer
from tests.fakes.problems import refused
from tests.integration.apps.api.conftest import MakeApi

ME = "/api/v1/me"


async def fail(api: Api, times: int = 20, *, with_garbage: bool = False) -> None:
    for _ in range(times):
        secret = "garbage" if with_garbage else mint()
        refused(await api.http.get(ME, headers=bearer(secret)), 401, "invalid_token")


def from_address(api: Api, host: str) -> httpx.AsyncClient:
    """The same application, asked from elsewhere."""
    transport = api.http._transport
    assert isinstance(transport, httpx.ASGITransport)
    moved = httpx.ASGITransport(transport.app, raise_app_exceptions=False, client=(host, 1))
    return httpx.AsyncClient(transport=moved, base_url="http://arqade.test")


@pytest.mark.parametrize("with_garbage", [False, True])
async def test_the_twenty_first_is_told_to_wait_whatever_it_sends(api: Api, with_garbage: bool) -> None:
    good = await api.key()
    await fail(api, with_garbage=with_garbage)
    for secret in (mint(), "garbage", good):
        answer = await api.http.get(ME, headers=bearer(secret))
        assert refused(answer, 429, "rate_limited")["violated-policies"] == ["failures"]
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert "x-ratelimit-limit" not in answer.headers
        assert "www-authenticate" not in answer.headers


async def test_a_blocked_address_asks_redis_nothing(api: Api) -> None:
    await fail(api)
    store = api.resources.store
    await store.call("CONFIG", "RESETSTAT")
    for _ in range(5):
        refused(await api.http.get(ME, headers=bearer(mint())), 429, "rate_limited")
    assert "cmdstat_evalsha" not in (await store.call("INFO", "commandstats")).decode()


async def test_the_count_is_that_of_all_processes_together(make_api: MakeApi) -> None:
    one, other = await make_api(), await make_api()
    good = await one.key()
    await fail(one, 10)
    await fail(other, 10)
    for api in (one, other):
        refused(await api.http.get(ME, headers=bearer(good)), 429, "rate_limited")


async def test_other_addresses_are_not_held_to_account_but_neighbours_of_an_ipv6_site_are(api: Api) -> None:
    good = await api.key()
    async with from_address(api, "2001:db8:0:1::1") as bad:
        for _ in range(20):
            assert (await bad.get(ME, headers=bearer(mint()))).status_code == 401
    for host, status in (("2001:db8:0:1:ffff::9", 429), ("2001:db8:0:2::1", 200), ("192.0.2.7", 200)):
        async with from_address(api, host) as http:
            assert (await http.get(ME, headers=bearer(good))).status_code == status, host


async def test_who_was_looked_up_just_now_is_let_in_all_the_same(api: Api) -> None:
    good = await api.key()
    assert (await api.http.get(ME, headers=bearer(good))).status_code == 200
    await fail(api)
    assert (await api.http.get(ME, headers=bearer(good))).status_code == 200


async def test_after_the_minute_the_address_is_as_good_as_any(make_api: MakeApi) -> None:
    api = await make_api()
    store = api.resources.store
    await fail(api)
    keys = await store.call("KEYS", store.keys.failures + "*")
    assert [50 < await store.call("TTL", key) <= 60 for key in keys] == [True]
    await store.call("DEL", *keys)
    later = await make_api()
    refused(await later.http.get(ME, headers=bearer(mint())), 401, "invalid_token")


async def test_public_routes_answer_a_blocked_address(api: Api) -> None:
    await fail(api)
    assert (await api.http.get("/ping", headers=bearer(mint()))).status_code == 200
    refused(await api.http.get(ME), 401, "unauthorized")


async def test_a_flood_of_guesses_is_looked_up_twenty_times(api: Api) -> None:
    answers = await asyncio.gather(*[api.http.get(ME, headers=bearer(mint())) for _ in range(200)])
    assert sum(answer.status_code == 401 for answer in answers) == 20
    assert {answer.status_code for answer in answers} == {401, 429}
