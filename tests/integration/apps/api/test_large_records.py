"""Nothing that a client chooses fills Redis, and what is large in it already is listed a little at a time."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from libs import limits
from libs.store.client import Store
from tests.fakes.api import Api
from tests.fakes.customers import BATCHES, COMPARISONS, JOBS, PICTURE, Customer, customer_of
from tests.fakes.problems import pointers


def metadata_of(size: int) -> dict[str, str]:
    """Metadata that is so many bytes of JSON."""
    return {"a": "x" * (size - len(orjson.dumps({"a": ""})))}


def job_with(metadata: dict[str, str]) -> dict[str, Any]:
    return {"kind": "generate", "input": PICTURE, "metadata": metadata}


@pytest.fixture
async def someone(api: Api) -> Customer:
    return await customer_of(api)


async def test_metadata_is_bounded_in_bytes_wherever_it_stands(someone: Customer) -> None:
    fits, too_large = metadata_of(limits.METADATA_BYTES_MAX), metadata_of(limits.METADATA_BYTES_MAX + 1)
    assert (await someone.submit(job_with(fits))).status_code == 202
    assert "#/metadata" in pointers(await someone.submit(job_with(too_large)))
    batch = {"kind": "generate", "items": [{"input": PICTURE, "metadata": fits}], "metadata": fits}
    assert (await someone.post(BATCHES, batch)).status_code == 202
    assert "#/metadata" in pointers(await someone.post(BATCHES, {**batch, "metadata": too_large}))
    items = [{"input": PICTURE, "metadata": too_large}]
    assert "#/items/0/metadata" in pointers(await someone.post(BATCHES, {**batch, "items": items}))
    compared = {"input": PICTURE, "variants": [{"name": "a"}, {"name": "b"}], "metadata": too_large}
    assert "#/metadata" in pointers(await someone.post(COMPARISONS, compared))


async def test_a_byte_counts_as_it_is_stored(someone: Customer) -> None:
    assert "#/metadata" in pointers(await someone.submit(job_with({"a": "é" * (limits.METADATA_BYTES_MAX // 2)})))
    assert "#/metadata" in pointers(await someone.submit(job_with({"a": "\0" * (limits.METADATA_BYTES_MAX // 6)})))


async def test_an_input_is_bounded_in_bytes(someone: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "JOB_INPUT_BYTES_MAX", 1_000)
    assert (await someone.submit()).status_code == 202
    long = {**PICTURE, "prompt": "x" * 1_000}
    assert pointers(await someone.submit(long)) == {"#": "too_large"}
    assert pointers(await someone.submit({"kind": "generate", "input": long})) == {"#/input": "too_large"}
    batch = {"kind": "generate", "items": [PICTURE, long]}
    assert pointers(await someone.post(BATCHES, batch)) == {"#/items/1": "too_large"}


async def test_what_variants_change_is_bounded_also_where_it_changes_nothing(someone: Customer) -> None:
    nothing = {"x" * limits.COMPARED_BYTES_MAX: None}
    compared = {"input": PICTURE, "variants": [{"name": "a"}, {"name": "b", "input": nothing}]}
    assert "#/variants" in pointers(await someone.post(COMPARISONS, compared))


async def enlarged(store: Store, jobs: list[dict[str, Any]]) -> None:
    """Give them metadata of two megabytes, as jobs could have before there was a ceiling."""
    huge = orjson.dumps(metadata_of(2_000_000))
    for job in jobs:
        await store.call("HSET", store.keys.job + job["id"], "metadata", huge)


async def sent_bytes(store: Store) -> int:
    info = (await store.call("INFO", "stats")).decode()
    return int(info.partition("total_net_output_bytes:")[2].split()[0])


async def test_a_list_of_huge_jobs_is_paged_by_bytes_and_shows_each_once(api: Api, someone: Customer) -> None:
    jobs = [await someone.job() for _ in range(12)]
    await enlarged(api.resources.store, jobs)
    met, path = [], f"{JOBS}?limit=100"
    while path:
        before = await sent_bytes(api.resources.store)
        answer = await someone.get(path)
        assert answer.status_code == 200
        assert await sent_bytes(api.resources.store) - before < 5_000_000
        met += [job["id"] for job in answer.json()["data"]]
        path = answer.headers.get("link", "").removeprefix("<").partition(">")[0]
    assert met == sorted((job["id"] for job in jobs), reverse=True)


async def test_what_a_filter_leaves_out_is_not_read(api: Api, someone: Customer) -> None:
    jobs = [await someone.job() for _ in range(5)]
    await enlarged(api.resources.store, jobs)
    before = await sent_bytes(api.resources.store)
    answer = await someone.get(f"{JOBS}?status=succeeded")
    assert (answer.status_code, answer.json()["data"]) == (200, [])
    assert await sent_bytes(api.resources.store) - before < 100_000


async def test_an_admin_sees_all_of_them_and_nothing_large_is_read(api: Api, someone: Customer) -> None:
    jobs = [await someone.job() for _ in range(12)]
    await enlarged(api.resources.store, jobs)
    admin, user_id = await api.admin(), (await someone.me())["id"]
    before = await sent_bytes(api.resources.store)
    for path in ("/admin/jobs", f"/admin/jobs?user_id={user_id}", "/admin/dead"):
        answer = await api.http.get(f"{path}{'&' if '?' in path else '?'}limit=100", headers=admin)
        assert answer.status_code == 200
        if "jobs" in path:
            assert {job["id"] for job in answer.json()["data"]} == {job["id"] for job in jobs}
    assert await sent_bytes(api.resources.store) - before < 100_000


async def test_a_page_that_ends_by_its_bytes_goes_on_where_it_ended(
    someone: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [await someone.job(job_with(metadata_of(5_000))) for _ in range(7)]
    monkeypatch.setattr(limits, "PAGE_BYTES_MAX", 10_000)
    met, path, sizes = [], f"{JOBS}?limit=5", []
    while path:
        answer = await someone.get(path)
        met += [job["id"] for job in answer.json()["data"]]
        sizes.append(len(answer.json()["data"]))
        path = answer.headers.get("link", "").removeprefix("<").partition(">")[0]
    assert (met, sizes) == (sorted((job["id"] for job in jobs), reverse=True), [2, 2, 2, 1])


async def test_a_list_of_comparisons_is_paged_by_bytes(someone: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {"prompt": "x" * 4_000}
    compared = {"input": PICTURE, "variants": [{"name": "a"}, {"name": "b", "input": changed}]}
    made = [(await someone.post(COMPARISONS, compared)).json()["id"] for _ in range(5)]
    monkeypatch.setattr(limits, "PAGE_BYTES_MAX", 9_000)
    met, path, sizes = [], COMPARISONS, []
    while path:
        answer = await someone.get(path)
        met += [one["id"] for one in answer.json()["data"]]
        sizes.append(len(answer.json()["data"]))
        path = answer.headers.get("link", "").removeprefix("<").partition(">")[0]
    assert (met, sizes) == (sorted(made, reverse=True), [2, 2, 1])
