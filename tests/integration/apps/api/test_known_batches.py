"""A batch that is submitted again is over at once: as its caller sees it, for each kind that has known results."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest

from libs import limits
from libs.admission.ledger import differences
from libs.artifacts.artifact import NewArtifact
from libs.artifacts.keep import keep
from libs.artifacts.objects import Objects
from libs.batches.feed import Rooms
from libs.batches.tend import Tender
from libs.jobs.lifecycle import claim, finish
from tests.fakes.api import Api
from tests.fakes.batches import Desk
from tests.fakes.customers import BATCHES, JOBS, Customer, customer_of
from tests.fakes.pixels import picture
from tests.fakes.problems import refused
from tests.patience import PATIENCE_S

Json = dict[str, Any]
PDF = NewArtifact("searchable.pdf", "application/pdf", b"%PDF-1.7 found")
BETTER = NewArtifact("0.webp", "image/webp", b"RIFF better")


def on_image(image: str, **members: Any) -> Json:
    return {"image": image, "cache": True, **members}


def inline(shade: int) -> str:
    return base64.b64encode(picture(shade)).decode()


async def submitted(someone: Customer, kind: str, items: list[Json], **headers: str) -> Json:
    answer = await someone.post(BATCHES, {"kind": kind, "items": items}, **headers)
    assert answer.status_code == 202, answer.text
    found: Json = answer.json()
    return found


async def work(api: Api, queue: str, *files: NewArtifact) -> int:
    """Do all jobs of a queue; how many there were."""
    store, objects, done = api.resources.store, api.resources.objects, 0
    while jobs := (await claim(store, "w", [queue], 50, 30)).jobs:
        for one in jobs:
            made = await keep(objects, one.user_id, one.job_id, one.created_at_ms, one.attempt, files)
            await finish(store, one.job_id, one.fence, "succeed", output={"text": "found"}, artifacts=made)
        done += len(jobs)
    return done


async def over(api: Api, someone: Customer, batch: Json) -> tuple[Json, list[Json]]:
    """The batch once it is over, and the lines of its results; none of its jobs is worked on."""
    await Desk(api.resources.store, api.resources.objects, Rooms(10_000)).tend()
    found: Json = (await someone.get(batch["links"]["self"])).json()
    assert found["status"] == "finished", found["counts"]
    async with httpx.AsyncClient(timeout=PATIENCE_S) as outside:
        lines = (await outside.get(found["results"]["url"])).text.splitlines()
    return found, [json.loads(line) for line in lines]


async def units_used(someone: Customer) -> int:
    return int((await someone.get("/api/v1/usage")).json()["units_used"])


async def fetched(someone: Customer, job_id: str) -> list[bytes]:
    """The files of a job, from where its caller is sent."""
    async with httpx.AsyncClient(timeout=PATIENCE_S) as outside:
        return [(await outside.get(one["url"])).content for one in (await someone.look(job_id))["artifacts"]]


async def test_ocr_items_are_known_without_being_asked_for_and_have_their_files(api: Api) -> None:
    someone = await customer_of(api)
    first = await submitted(someone, "ocr", [{"upload": await someone.upload(picture(n))} for n in range(4)])
    assert await work(api, "cpu", PDF) == 4
    await over(api, someone, first)
    again = [{"upload": await someone.upload(picture(n))} for n in range(4)]
    batch = await submitted(someone, "ocr", again, idempotency_key="again")
    assert batch["counts"]["succeeded"] == 4, "the first chunk is known within the submission"
    found, results = await over(api, someone, batch)
    assert (found["counts"]["succeeded"], found["units"]) == (4, 4)
    assert [(one["cached"], one["artifacts"][0]["name"]) for one in results] == [(True, "searchable.pdf")] * 4
    items = (await someone.get(batch["links"]["items"])).json()["data"]
    assert items == results
    job = await someone.look(items[2]["job_id"])
    assert (job["cached"], job["usage"]["units"], job["batch_id"]) == (True, 0, batch["id"])
    assert await fetched(someone, job["id"]) == [PDF.data]
    assert await units_used(someone) == 4
    assert [one async for one in differences(api.resources.store)] == []
    replayed = await submitted(someone, "ocr", again, idempotency_key="again")
    assert replayed["id"] == batch["id"]
    retried = (await someone.post(f"{JOBS}/{job['id']}/retry")).json()
    assert (retried["status"], retried["cached"]) == ("queued", False), "who asks again wants it done again"


async def test_a_submission_does_not_wait_for_copies_that_take_too_long_and_a_worker_goes_on(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    someone = await customer_of(api)
    items = [{"upload": await someone.upload(picture(n))} for n in range(3)]
    await submitted(someone, "ocr", items)
    await work(api, "cpu", PDF)
    begun = asyncio.Event()

    async def hang(_objects: Objects, _name: str, _target: str) -> bool:
        begun.set()
        await asyncio.Event().wait()
        return True

    with monkeypatch.context() as slow:
        slow.setattr(Objects, "copy", hang)
        slow.setattr(limits, "BATCH_FIRST_ITEMS_S_MAX", 0.2)
        batch = await submitted(someone, "ocr", items)
    assert begun.is_set()
    assert (batch["counts"]["queued"], await work(api, "cpu")) == (3, 0), "none has become a job"
    _, results = await over(api, someone, batch)
    assert [one["cached"] for one in results] == [True] * 3


@pytest.mark.parametrize("by_upload", [True, False])
async def test_optimize_jobs_and_items_are_known_when_they_say_so_with_their_files(
    api: Api, *, by_upload: bool
) -> None:
    someone = await customer_of(api)

    async def order(shade: int, **members: Any) -> Json:
        source = {"upload": await someone.upload(picture(shade))} if by_upload else {"image": inline(shade)}
        return source | {"model": "tests/optimizer", "cache": True} | members

    assert (await someone.job({"kind": "optimize", "input": await order(1)}))["cached"] is False
    await work(api, "net", BETTER)
    known = await someone.job({"kind": "optimize", "input": await order(1)})
    assert (known["status"], known["cached"]) == ("succeeded", True)
    assert await fetched(someone, known["id"]) == [BETTER.data]
    orders = [await order(1), await order(2), await order(1, cache=False), await order(1, prompt="larger")]
    batch = await submitted(someone, "optimize", orders)
    assert (batch["counts"]["succeeded"], batch["counts"]["queued"]) == (1, 3)
    assert await work(api, "net", BETTER) == 3
    _, results = await over(api, someone, batch)
    assert [one["cached"] for one in results] == [True, False, False, False]
    assert await fetched(someone, results[0]["job_id"]) == [BETTER.data]
    again = await submitted(someone, "optimize", [orders[1], orders[3]])
    assert again["counts"]["succeeded"] == 2, "what items were worked on is known as well"
    assert await units_used(someone) == 4


@pytest.mark.parametrize("kind", ["detect", "optimize"])
async def test_an_item_that_wants_a_known_result_of_an_address_is_refused_at_its_place(api: Api, kind: str) -> None:
    someone = await customer_of(api)
    items = [on_image(inline(1)), {"image_url": "https://example.com/a.png", "cache": True}]
    answer = refused(await someone.post(BATCHES, {"kind": kind, "items": items}), 422, "validation_failed")
    assert answer["errors"][0]["pointer"].startswith("#/items/1")


@pytest.mark.parametrize("shares", [False, True])
async def test_items_of_two_users_share_results_only_where_their_plan_does(api: Api, *, shares: bool) -> None:
    one, other = await customer_of(api, shares_results=shares), await customer_of(api, shares_results=shares)
    await submitted(one, "ocr", [{"upload": await one.upload(picture(9))}])
    await work(api, "cpu", PDF)
    theirs = await submitted(other, "ocr", [{"upload": await other.upload(picture(9))}])
    assert theirs["counts"]["succeeded"] == int(shares)
    if shares:
        (item,) = (await other.get(theirs["links"]["items"])).json()["data"]
        assert await fetched(other, item["job_id"]) == [PDF.data]
        assert (await one.me())["id"] not in str(await other.look(item["job_id"]))


async def test_a_batch_that_waits_need_not_wait_for_images_that_are_known(api: Api) -> None:
    someone = await customer_of(api)
    images = [on_image(inline(n)) for n in range(3)]
    await submitted(someone, "detect", images)
    assert await work(api, "net") == 3
    store, objects = api.resources.store, api.resources.objects
    waiting = asyncio.create_task(someone.post("/api/v1/batch", {"images": images}))
    tender = Tender(store, objects, api.resources.plans, Rooms(10_000))
    async with asyncio.timeout(PATIENCE_S):
        while not waiting.done():
            for due in await tender.take(10):
                await tender.tend(due)
            await asyncio.sleep(0.01)
    answer = await waiting
    assert answer.status_code == 200, answer.text
    assert [(one["cached"], one["output"]) for one in answer.json()["data"]] == [(True, {"text": "found"})] * 3


async def test_hits_and_misses_of_items_are_counted(api: Api) -> None:
    someone = await customer_of(api)
    await submitted(someone, "detect", [on_image(inline(1))])
    await work(api, "net")
    await submitted(someone, "detect", [on_image(inline(1)), on_image(inline(2)), {"image": inline(3)}])
    shown = (await api.http.get("/metrics")).text
    assert 'arqade_result_cache_total{kind="detect",outcome="hit"} 1.0' in shown
    assert 'arqade_result_cache_total{kind="detect",outcome="miss"} 2.0' in shown
