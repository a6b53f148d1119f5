"""Batches as their caller sees them: how they are submitted and refused, and what can be read of them."""

from __future__ import annotations

import json
from typing import Any

import httpx
import orjson
import pytest

from apps.api.batches import submission
from libs import limits
from libs.accounts.erase import erase_some
from libs.batches.admit import BatchAdmission, admit_batch
from libs.batches.feed import Rooms
from libs.errors import Unavailable
from libs.jobs.lifecycle import claim, finish
from tests.fakes.api import Api
from tests.fakes.batches import Desk
from tests.fakes.customers import BATCHES, PICTURE, Customer, customer_of
from tests.fakes.hands import FLEET
from tests.fakes.problems import refused
from tests.integration.apps.conftest import MakeApi
from tests.patience import PATIENCE_S

Json = dict[str, Any]


def pictures(count: int) -> list[Json]:
    return [{**PICTURE, "seed": number} for number in range(count)]


def desk_of(api: Api) -> Desk:
    return Desk(api.resources.store, api.resources.objects, Rooms(10_000))


async def batch_of(someone: Customer, body: Json, **headers: str) -> Json:
    answer = await someone.post(BATCHES, body, **headers)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"{BATCHES}/{answer.json()['id']}"
    found: Json = answer.json()
    return found


async def look(someone: Customer, batch: Json) -> Json:
    found: Json = (await someone.get(batch["links"]["self"])).json()
    return found


async def uploaded(someone: Customer, text: bytes) -> str:
    """A completed upload of JSON lines."""
    return await someone.upload(text, "application/jsonl", "items.jsonl")


def lines(values: list[Any]) -> bytes:
    return b"".join(orjson.dumps(value) + b"\n" for value in values)


async def work(api: Api) -> None:
    """Do all jobs that can be claimed."""
    store = api.resources.store
    while jobs := (await claim(store, "w", ["gpu"], 50, 30, servers=FLEET)).jobs:
        for one in jobs:
            await finish(store, one.job_id, one.fence, "succeed", output={"text": "x" * 10})


async def until_over(api: Api, someone: Customer, batch: Json) -> Json:
    for _ in range(50):
        await desk_of(api).tend()
        await work(api)
        if (found := await look(someone, batch))["status"] != "running":
            return found
    raise AssertionError(found)


async def test_a_batch_is_let_in_listed_read_and_downloaded(api: Api) -> None:
    someone = await customer_of(api)
    told = {"kind": "generate", "items": pictures(120), "metadata": {"name": "spring"}, "priority": 2}
    batch = await batch_of(someone, told)
    assert (batch["status"], batch["items"], batch["units"], batch["priority"]) == ("running", 120, 120, 2)
    assert batch["counts"] == {"queued": 120, "running": 0, "succeeded": 0, "failed": 0, "canceled": 0, "expired": 0}
    refused(await someone.get(batch["links"]["results"]), 409, "conflict")
    jobs = (await someone.get("/api/v1/jobs?limit=100")).json()["data"]
    assert len(jobs) == 50, "the first of them are jobs at once"
    assert jobs[-1] | {"created_at": ""} == {
        **jobs[-1],
        "created_at": "",
        "batch_id": batch["id"],
        "batch_index": 0,
        "priority": 2,
    }
    over = await until_over(api, someone, batch)
    assert (over["status"], over["counts"]["succeeded"]) == ("finished", 120)
    async with httpx.AsyncClient(timeout=PATIENCE_S) as outside:
        results = (await outside.get(over["results"]["url"])).content
    assert len(results) == over["results"]["size_bytes"]
    assert [json.loads(line)["index"] for line in results.splitlines()] == list(range(120))
    assert (await someone.get(batch["links"]["results"])).status_code == 302
    assert [one["id"] for one in (await someone.get(BATCHES)).json()["data"]] == [batch["id"]]
    refused(await someone.post(batch["links"]["cancel"]), 409, "batch_already_finished")


async def test_items_come_in_pages_in_their_order_and_by_status(api: Api) -> None:
    someone = await customer_of(api)
    batch = await batch_of(someone, {"kind": "generate", "items": pictures(130)})
    store, done = api.resources.store, set[int]()
    for one in (await claim(store, "w", ["gpu"], 7, 30, servers=FLEET)).jobs:
        done.add(int(await store.call("HGET", store.keys.job + one.job_id, "item")))
        await finish(store, one.job_id, one.fence, "fail", payment="refund", error={"code": "bad", "detail": "no"})
    path, seen = batch["links"]["items"] + "?limit=60", list[Json]()
    while path:
        answer = await someone.get(path)
        seen += answer.json()["data"]
        path = answer.links["next"]["url"] if answer.json()["has_more"] else ""
    assert [item["index"] for item in seen] == list(range(130))
    assert {item["index"] for item in seen if item["status"] == "failed"} == done
    assert [item["job_id"] is None for item in seen] == [False] * 50 + [True] * 80
    failed = (await someone.get(batch["links"]["items"] + "?status=failed")).json()
    assert {item["index"] for item in failed["data"]} == done
    assert failed["data"][0]["error"]["code"] == "bad"
    refused(await someone.get(batch["links"]["items"] + "?status=scheduled"), 422, "validation_failed")
    await until_over(api, someone, batch)
    await store.call("DEL", *[store.keys.job + item["job_id"] for item in seen[:50]])
    again = (await someone.get(batch["links"]["items"] + "?limit=50")).json()["data"]
    assert {item["index"] for item in again if item["status"] == "failed"} == done, "read from what was stored"


async def test_an_uploaded_file_is_read_line_by_line(api: Api) -> None:
    someone = await customer_of(api)
    told: list[Any] = [*pictures(3), {"input": dict(PICTURE), "fairness_key": "store-1", "metadata": {"sku": 7}}]
    upload = await uploaded(someone, lines(told).rstrip() + b"\r\n\n\n")
    batch = await batch_of(someone, {"kind": "generate", "input_file": upload})
    assert batch["items"] == 4
    over = await until_over(api, someone, batch)
    items = (await someone.get(over["links"]["items"])).json()["data"]
    assert items[3]["metadata"] == {"sku": 7}
    assert items[3]["fairness_key"] == "store-1"
    job = await someone.look(items[1]["job_id"])
    assert (job["input"]["seed"], job["batch_index"]) == (1, 1)


async def test_a_large_file_makes_as_many_items_as_it_has_lines(api: Api) -> None:
    someone = await customer_of(api)
    upload = await uploaded(someone, lines([{**PICTURE, "prompt": "x" * 800} for _ in range(1_050)]))
    batch = await batch_of(someone, {"kind": "generate", "input_file": upload})
    assert batch["items"] == 1_050
    blocks = -(-1_050 // limits.BATCH_BLOCK_ITEMS)
    assert len(await api.resources.objects.list(f"{(await someone.me())['id']}/")) == blocks + 1, "and the file"


async def test_what_is_wrong_is_told_with_its_line_and_nothing_is_admitted(api: Api) -> None:
    someone = await customer_of(api)
    wrong = [b'{"prompt": "fine"}', b'{"prompt": "", "steps": 0}', b"no json", b"[1]", b'{"input": {}, "metadata": {}}']
    upload = await uploaded(someone, b"\n".join([*wrong, *[b"{}"] * 100]))
    body = refused(await someone.post(BATCHES, {"kind": "generate", "input_file": upload}), 422, "validation_failed")
    told = [(error["line"], error["pointer"], error["code"]) for error in body["errors"]]
    assert told[:4] == [
        (2, "#/prompt", "string_too_short"),
        (2, "#/steps", "greater_than_equal"),
        (3, "#", "json_invalid"),
        (4, "#", "type"),
    ]
    assert told[4] == (5, "#/input/prompt", "required")
    assert len(told) == limits.VALIDATION_ERRORS_MAX
    assert body["detail"].startswith("line 2, #/prompt: ")
    me = await someone.me()
    assert not (await someone.get(BATCHES)).json()["data"]
    assert len(await api.resources.objects.list(f"{me['id']}/")) == 1, "the file itself"


async def test_what_is_wrong_in_a_body_is_pointed_at(api: Api) -> None:
    someone = await customer_of(api)
    items = [dict(PICTURE), {**PICTURE, "stepz": 1}, {"input": {**PICTURE, "model": "none-such" * 300}}]
    body = refused(await someone.post(BATCHES, {"kind": "generate", "items": items}), 422, "validation_failed")
    pointers = [error["pointer"] for error in body["errors"]]
    assert pointers == ["#/items/1/stepz", "#/items/2/input/model"]


@pytest.mark.parametrize(
    "body, pointer",
    [
        ({"kind": "generate"}, "#"),
        ({"kind": "generate", "items": []}, "#/items"),
        ({"kind": "generate", "items": {}}, "#/items"),
        ({"kind": "generate", "items": [{}], "input_file": "upload_" + "0" * 26}, "#"),
        ({"kind": "generate", "input_file": "upload_" + "0" * 26}, "#/input_file"),
        ({"kind": "generate", "input_file": "nothing"}, "#/input_file"),
        ({"kind": "nothing", "items": [{}]}, "#/kind"),
        ({"items": [{}]}, "#/kind"),
        ({"kind": "generate", "items": [{}], "webhoook": 1}, "#/webhoook"),
        ({"kind": "generate", "items": [dict(PICTURE)], "priority": 11}, "#/priority"),
        ({"kind": "generate", "items": [dict(PICTURE)], "deadline_seconds": 0}, "#/deadline_seconds"),
    ],
)
async def test_a_body_that_says_no_batch_is_refused(api: Api, body: Json, pointer: str) -> None:
    someone = await customer_of(api)
    problem = refused(await someone.post(BATCHES, body), 422, "validation_failed")
    assert problem["errors"][0]["pointer"] == pointer, problem


@pytest.mark.parametrize(
    "webhook, pointer, code",
    [
        ({"url": "https://example.com/", "events": ["job.succeeded"]}, "#/webhook/events/0", "literal_error"),
        ({"url": "https://example.com/", "events": []}, "#/webhook/events", "too_short"),
        ({"url": "https://10.0.0.1/"}, "#/webhook/url", "url_not_allowed"),
        ({"url": "https://someone:secret@example.com/"}, "#/webhook/url", "url_not_allowed"),
        ({"url": "https://b\u00fccher.example/"}, "#/webhook/url", "url_not_allowed"),
        ({"url": "https://example.com/", "bearer_token": "a\r\nx-b: c"}, "#/webhook/bearer_token", None),
        ({"url": "https://example.com/", "bearer_token": "a\n"}, "#/webhook/bearer_token", None),
        ({"url": "https://example.com/", "bearer_token": "\u00e9"}, "#/webhook/bearer_token", None),
        ({"events": ["batch.finished"]}, "#/webhook/url", "required"),
        ({"url": "https://example.com/", "secret": "mine"}, "#/webhook/secret", "unknown_member"),
    ],
)
async def test_a_webhook_that_no_batch_can_have_is_pointed_at(
    api: Api, webhook: Json, pointer: str, code: str | None
) -> None:
    someone = await customer_of(api)
    for path, body in ((BATCHES, {"kind": "generate", "items": pictures(1)}), ("/api/v1/batch", {"images": ["x"]})):
        problem = refused(await someone.post(path, {**body, "webhook": webhook}), 422, "validation_failed")
        assert problem["errors"][0]["pointer"] == pointer
        assert code in (None, problem["errors"][0]["code"])
    assert (await someone.get(BATCHES)).json()["data"] == []


async def test_no_answer_shows_the_webhook_of_a_batch_and_it_counts_for_the_replay(api: Api) -> None:
    someone = await customer_of(api)
    webhook: Json = {"url": "https://example.com/a-place", "bearer_token": "a-token"}
    body: Json = {"kind": "generate", "items": pictures(2), "webhook": webhook}
    batch = await batch_of(someone, body, idempotency_key="one")
    assert (await batch_of(someone, body, idempotency_key="one"))["id"] == batch["id"]
    other = {**body, "webhook": {**webhook, "bearer_token": "another"}}
    refused(await someone.post(BATCHES, other, idempotency_key="one"), 422, "idempotency_key_reused")
    shown = (await someone.get(batch["links"]["self"])).text + (await someone.get(batch["links"]["items"])).text
    assert "a-place" not in shown
    assert "a-token" not in shown
    stored = await api.resources.store.call("HGETALL", api.resources.store.keys.batch + batch["id"])
    assert b"a-token" not in b" ".join(stored)


async def test_a_trace_goes_with_a_batch_and_nothing_that_is_none(api: Api) -> None:
    someone, trace = await customer_of(api), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    keys = api.resources.store.keys
    for header, stored in ((trace, trace.encode()), ("x" * 20_000, None)):
        batch = await batch_of(someone, {"kind": "generate", "items": pictures(1)}, traceparent=header)
        (item,) = (await someone.get(batch["links"]["items"])).json()["data"]
        for record in (keys.batch + batch["id"], keys.job + item["job_id"]):
            assert await api.resources.store.call("HGET", record, "traceparent") == stored


async def test_an_upload_of_another_or_of_another_type_is_no_input_file(api: Api) -> None:
    someone, other = await customer_of(api), await customer_of(api)
    upload = await uploaded(other, lines(pictures(1)))
    body = {"kind": "generate", "input_file": upload}
    told = refused(await someone.post(BATCHES, body), 422, "validation_failed")["errors"][0]
    assert told["code"] == "unknown_upload"


async def test_a_line_that_is_too_long_is_refused_and_one_that_just_fits_is_not(api: Api) -> None:
    someone = await customer_of(api)
    fits = orjson.dumps(PICTURE)
    fits += b" " * (limits.BATCH_LINE_BYTES_MAX - len(fits))
    batch = await batch_of(someone, {"kind": "generate", "input_file": await uploaded(someone, fits + b"\n" + fits)})
    assert batch["items"] == 2
    upload = await uploaded(someone, fits + b"\n" + fits + b" \n" + fits)
    body = refused(await someone.post(BATCHES, {"kind": "generate", "input_file": upload}), 422, "validation_failed")
    assert [(error["line"], error["code"]) for error in body["errors"]] == [(2, "too_long")]


async def test_a_quota_refuses_the_whole_batch(api: Api) -> None:
    someone = await customer_of(api, "pro")
    answer = await someone.post(BATCHES, {"kind": "generate", "items": pictures(101)})
    refused(answer, 429, "quota_exceeded")
    await batch_of(someone, {"kind": "generate", "items": pictures(100)})
    assert (await someone.me())["left"]["units_today"] == 0
    refused(await someone.submit(), 429, "quota_exceeded")


async def test_a_batch_takes_one_submission_and_leaves_places_for_single_jobs(api: Api) -> None:
    someone = await customer_of(api, "pro", units_per_day=None)
    batch = await batch_of(someone, {"kind": "generate", "items": pictures(90)})
    assert (await someone.me())["left"]["submits"] == 19
    await desk_of(api).tend()
    await someone.job()
    assert (await look(someone, batch))["counts"]["queued"] == 90
    assert len((await someone.get("/api/v1/jobs?limit=100")).json()["data"]) == 51


async def test_the_same_key_gets_the_same_batch_and_another_body_is_refused(api: Api) -> None:
    someone = await customer_of(api, "pro")
    body = {"kind": "generate", "items": pictures(3)}
    first = await batch_of(someone, body, idempotency_key="k")
    answer = await someone.post(BATCHES, body, idempotency_key="k")
    assert (answer.status_code, answer.json()["id"]) == (202, first["id"])
    assert answer.headers["idempotent-replayed"] == "true"
    refused(await someone.post(BATCHES, {**body, "priority": 1}, idempotency_key="k"), 422, "idempotency_key_reused")
    other = {"kind": "generate", "items": pictures(4)}
    refused(await someone.post(BATCHES, other, idempotency_key="k"), 422, "idempotency_key_reused")
    assert (await someone.me())["left"]["submits"] == 19, "neither replays nor refusals cost a token"


async def test_a_batch_whose_admission_nobody_heard_of_keeps_its_items_and_is_done(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link to Redis is lost after the script ran: whoever asks again under the same key gets that batch."""

    async def unheard(*args: Any, **members: Any) -> BatchAdmission:
        await admit_batch(*args, **members)
        raise Unavailable("redis", "the answer was lost")

    someone = await customer_of(api, "internal")
    body = {"kind": "generate", "items": pictures(3)}
    with monkeypatch.context() as patched:
        patched.setattr(submission, "admit_batch", unheard)
        refused(await someone.post(BATCHES, body, idempotency_key="a"), 503, "dependency_unavailable")
    batch = await batch_of(someone, body, idempotency_key="a")
    found = await until_over(api, someone, batch)
    assert found["counts"]["succeeded"] == 3


async def test_a_batch_is_canceled(api: Api) -> None:
    someone = await customer_of(api)
    batch = await batch_of(someone, {"kind": "generate", "items": pictures(120)})
    answer = await someone.post(batch["links"]["cancel"])
    assert (answer.status_code, answer.json()["counts"]["canceled"]) == (202, 70)
    over = await until_over(api, someone, batch)
    assert (over["status"], over["counts"]["canceled"]) == ("canceled", 120)
    again = await someone.post(batch["links"]["cancel"])
    assert (again.status_code, again.json()["status"]) == (200, "canceled")


async def test_images_to_detect_become_a_batch(api: Api) -> None:
    someone = await customer_of(api)
    body = {"images": ["https://example.com/a.png", {"image_url": "https://example.com/b.png", "language": "de"}]}
    answer = await someone.post("/api/v1/batch", body, prefer="respond-async")
    assert answer.status_code == 202, answer.text
    assert (answer.json()["kind"], answer.json()["items"]) == ("detect", 2)
    problem = refused(
        await someone.post("/api/v1/batch", {"images": ["https://10.0.0.1/a.png"]}), 422, "validation_failed"
    )
    assert (problem["errors"][0]["pointer"], problem["errors"][0]["code"]) == (
        "#/images/0/image_url",
        "url_not_allowed",
    )
    refused(await someone.post("/api/v1/batch", {"images": ["https://example.com/"] * 101}), 422, "validation_failed")


async def test_erasing_a_user_erases_their_batches(api: Api) -> None:
    someone, admin = await customer_of(api), await api.admin()
    user_id = (await someone.me())["id"]
    await batch_of(someone, {"kind": "generate", "items": pictures(120)})
    assert (await api.http.delete(f"/admin/users/{user_id}", headers=admin)).status_code == 202
    for _ in range(5):
        await desk_of(api).tend()
        await erase_some(api.resources.store, api.resources.objects)
    assert await api.resources.objects.list(f"{user_id}/") == ()
    left = [key.decode() for key in await api.resources.store.call("KEYS", "*") if user_id.encode() in key]
    assert not left
    assert not await api.resources.store.call("ZCARD", api.resources.store.keys.batches_due)


async def test_while_jobs_are_switched_off_no_batch_is_let_in(make_api: MakeApi) -> None:
    someone = await customer_of(await make_api(jobs_enabled=False))
    body = {"kind": "generate", "items": pictures(1)}
    refused(await someone.post(BATCHES, body), 503, "feature_disabled")


async def test_stores_take_turns_from_the_first_item_on(api: Api) -> None:
    someone = await customer_of(api)
    items = [{"input": one, "fairness_key": "large" if n < 55 else "small"} for n, one in enumerate(pictures(60))]
    batch = await batch_of(someone, {"kind": "generate", "items": items})
    listed = (await someone.get(f"{BATCHES}/{batch['id']}/items?limit=60")).json()["data"]
    assert {item["index"] for item in listed if item["job_id"]} == {*range(45), *range(55, 60)}
    await until_over(api, someone, batch)
    results = (await someone.get(f"{BATCHES}/{batch['id']}/results")).headers["location"]
    async with httpx.AsyncClient(timeout=PATIENCE_S) as outside:
        told = [json.loads(line) for line in (await outside.get(results)).text.splitlines()]
    assert [one["fairness_key"] for one in told] == ["large"] * 55 + ["small"] * 5
