"""Bad keys of one address are slowed and then refused; good keys from it are let in, whatever others send."""

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
async def test_the_twenty_first_bad_key_is_told_to_wait(api: Api, with_garbage: bool) -> None:
    await fail(api, with_garbage=with_garbage)
    for secret in (mint(), "garbage"):
        answer = await api.http.get(ME, headers=bearer(secret))
        assert refused(answer, 429, "rate_limited")["violated-policies"] == ["failures"]
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert "x-ratelimit-limit" not in answer.headers
        assert "www-authenticate" not in answer.headers


async def test_good_keys_behind_the_same_address_are_let_in_known_or_cold(api: Api) -> None:
    known, cold, admin = await api.key(), await api.key(), await api.admin()
    assert (await api.http.get(ME, headers=bearer(known))).status_code == 200
    await fail(api)
    flood = [asyncio.create_task(api.http.get(ME, headers=bearer(mint()))) for _ in range(200)]
    good = [await api.http.get(ME, headers=headers) for headers in (bearer(known), bearer(cold), admin)]
    assert [answer.status_code for answer in good] == [200, 200, 200]
    assert {answer.status_code for answer in await asyncio.gather(*flood)} == {429}


async def test_a_revoked_key_is_refused_like_any_other_that_is_none(api: Api) -> None:
    bad = await api.key()
    admin = await api.admin()
    key_id = (await api.http.get(ME, headers=bearer(bad))).json()["api_key"]["id"]
    await api.http.delete(f"/admin/api-keys/{key_id}", headers=admin)
    await fail(api)
    refused(await api.http.get(ME, headers=bearer(bad)), 429, "rate_limited")


async def test_a_bad_key_costs_one_look_that_only_reads(api: Api) -> None:
    await fail(api)
    store = api.resources.store
    await store.call("CONFIG", "RESETSTAT")
    refused(await api.http.get(ME, headers=bearer(mint())), 429, "rate_limited")
    refused(await api.http.get(ME, headers=bearer("garbage")), 429, "rate_limited")
    lines = (await store.call("INFO", "commandstats")).decode().splitlines()
    asked = {line.split(":")[0].removeprefix("cmdstat_"): line.split("calls=")[1].split(",")[0] for line in lines[1:]}
    ours = {name: int(calls) for name, calls in asked.items() if name not in ("info", "config|resetstat", "time")}
    assert ours == {"evalsha": 1, "hmget": 1}


async def test_other_addresses_are_not_held_to_account_but_neighbours_of_an_ipv6_site_are(api: Api) -> None:
    async with from_address(api, "2001:db8:0:1::1") as bad:
        for _ in range(20):
            assert (await bad.get(ME, headers=bearer(mint()))).status_code == 401
    for host, status in (("2001:db8:0:1:ffff::9", 429), ("2001:db8:0:2::1", 401), ("192.0.2.7", 401)):
        async with from_address(api, host) as http:
            assert (await http.get(ME, headers=bearer(mint()))).status_code == status, host


async def test_each_process_counts_for_itself(make_api: MakeApi) -> None:
    one, other = await make_api(), await make_api()
    await fail(one)
    refused(await one.http.get(ME, headers=bearer(mint())), 429, "rate_limited")
    await fail(other, 1)


async def test_public_routes_answer_an_address_that_fails(api: Api) -> None:
    await fail(api)
    assert (await api.http.get("/ping", headers=bearer(mint()))).status_code == 200
    refused(await api.http.get(ME), 401, "unauthorized")


async def test_of_a_flood_of_guesses_twenty_are_told_that_they_are_wrong(api: Api) -> None:
    answers = await asyncio.gather(*[api.http.get(ME, headers=bearer(mint())) for _ in range(200)])
    assert sum(answer.status_code == 401 for answer in answers) == 20
    assert {answer.status_code for answer in answers} == {401, 429}
