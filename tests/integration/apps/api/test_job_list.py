"""GET /api/v1/jobs: pages, filters, cursors."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

import pytest

from tests.fakes.api import Api
from tests.fakes.customers import JOBS, PICTURE, Customer, customer_of
from tests.fakes.hands import end, start
from tests.fakes.problems import refused


@pytest.fixture
async def someone(api: Api) -> Customer:
    return await customer_of(api)


async def ids(someone: Customer, query: str = "") -> list[str]:
    return [job["id"] for job in (await someone.get(f"{JOBS}?limit=100{query}")).json()["data"]]


async def test_a_walk_along_the_links_meets_every_job_once_newest_first(someone: Customer) -> None:
    made = [(await someone.job())["id"] for _ in range(7)]
    met, path, sizes = [], f"{JOBS}?limit=3", []
    while path:
        answer = await someone.get(path)
        page = answer.json()
        met += [job["id"] for job in page["data"]]
        sizes.append(len(page["data"]))
        link = answer.headers.get("link", "")
        assert page["has_more"] is bool(link)
        assert (page["next_cursor"] is not None) is bool(link)
        path = link.removeprefix("<").partition(">")[0]
        assert link == "" or link.endswith('rel="next"')
    assert met == sorted(made, reverse=True)
    assert sizes == [3, 3, 1]


async def test_a_page_that_is_exactly_full_is_the_last(someone: Customer) -> None:
    for _ in range(2):
        await someone.job()
    page = (await someone.get(f"{JOBS}?limit=2")).json()
    assert (len(page["data"]), page["has_more"], page["next_cursor"]) == (2, False, None)


async def test_nobody_sees_another_users_jobs(api: Api, someone: Customer) -> None:
    await someone.job()
    assert await ids(await customer_of(api)) == []


async def test_jobs_are_filtered_by_status_kind_and_time(api: Api, someone: Customer) -> None:
    first, second = await someone.job(), await someone.job()
    await someone.delete(f"{JOBS}/{first['id']}")
    claimed = await start(api.resources.store)
    await end(api.resources.store, claimed)
    third = await someone.job()
    assert await ids(someone, "&status=canceled") == [first["id"]]
    assert await ids(someone, "&status=succeeded") == [second["id"]]
    assert await ids(someone, "&status=queued&kind=generate") == [third["id"]]
    assert await ids(someone, "&kind=detect") == []
    after = quote((await someone.look(second["id"]))["created_at"])
    assert await ids(someone, f"&created_after={after}") == [third["id"]]
    assert datetime.fromisoformat(third["created_at"]) > datetime.fromisoformat(second["created_at"])


async def test_the_filter_goes_on_with_the_cursor(someone: Customer) -> None:
    for _ in range(4):
        job = await someone.job()
        await someone.job()
        await someone.delete(f"{JOBS}/{job['id']}")
    first = await someone.get(f"{JOBS}?status=canceled&limit=3")
    rest = await someone.get(first.headers["link"].removeprefix("<").partition(">")[0])
    found = first.json()["data"] + rest.json()["data"]
    assert [job["status"] for job in found] == ["canceled"] * 4


async def test_a_cursor_that_was_changed_or_is_somebody_elses_is_malformed(api: Api, someone: Customer) -> None:
    for _ in range(2):
        await someone.job()
    cursor = (await someone.get(f"{JOBS}?limit=1")).json()["next_cursor"]
    swapped = cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]
    for bad in (swapped, cursor[1:], cursor + "AAAA", "nonsense", ""):
        refused(await someone.get(f"{JOBS}?cursor={bad}"), 400, "malformed_request")
    other = await customer_of(api)
    refused(await other.get(f"{JOBS}?cursor={cursor}"), 400, "malformed_request")
    assert (await someone.get(f"{JOBS}?cursor={cursor}")).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "status=done",
        "status=",
        "created_after=yesterday",
        "created_after=2026-01-01T00:00:00",
        "created_after=",
    ],
)
async def test_a_parameter_that_is_not_valid_is_named(someone: Customer, query: str) -> None:
    body = refused(await someone.get(f"{JOBS}?{query}"), 422, "validation_failed")
    assert body["errors"][0]["parameter"] == query.partition("=")[0]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"])
async def test_the_ends_of_time_are_times_too(someone: Customer, at: str) -> None:
    assert (await someone.get(f"{JOBS}?created_after={at}")).status_code == 200
    body = {"kind": "generate", "input": PICTURE, "run_at": at.replace("%2B", "+")}
    assert (await someone.submit(body)).status_code in {202, 422}
