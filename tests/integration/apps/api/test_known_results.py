"""What was done within a day is not done again: a job over at once, free, and otherwise like any other."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from libs.access.users import begin_erasure
from libs.accounts.erase import erase_user
from libs.artifacts.artifact import Artifact, NewArtifact
from libs.artifacts.keep import keep
from libs.jobs.lifecycle import Claim, claim, finish
from libs.jobs.lookup import load_job
from tests.fakes.api import Api
from tests.fakes.customers import JOBS, Customer, customer_of
from tests.fakes.hands import FLEET
from tests.fakes.pixels import picture
from tests.fakes.problems import refused
from tests.patience import PATIENCE_S

OCR, DETECT = "/api/v1/ocr", "/api/v1/detect"
TEXT = {"text": "Total 12.50", "pages": []}


async def ordered(someone: Customer, data: bytes, **members: Any) -> dict[str, Any]:
    """An `ocr` job on an upload of its own."""
    wanted = {"upload": await someone.upload(data), **members}
    return await someone.job({"kind": "ocr", "input": wanted})


async def work(api: Api, queue: str = "cpu", files: tuple[NewArtifact, ...] = (), **output: Any) -> Claim:
    """What a worker does with the next job."""
    store = api.resources.store
    (claimed,) = (await claim(store, "w1", [queue], 1, 30.0, servers=FLEET)).jobs
    kept: tuple[Artifact, ...] = ()
    if files:
        kept = await keep(
            api.resources.objects, claimed.user_id, claimed.job_id, claimed.created_at_ms, claimed.attempt, files
        )
    await finish(store, claimed.job_id, claimed.fence, "succeed", output=output or TEXT, artifacts=kept)
    return claimed


def text_file() -> NewArtifact:
    return NewArtifact("text.txt", "text/plain", b"Total 12.50", {"pages": 1})


async def usage(someone: Customer) -> int:
    return int((await someone.get("/api/v1/usage")).json()["units_used"])


async def test_the_same_image_is_read_once_and_the_second_job_is_over_at_once_and_free(api: Api) -> None:
    someone = await customer_of(api)
    first = await ordered(someone, picture())
    await work(api, files=(text_file(),))
    second = await ordered(someone, picture())
    assert first["input"]["upload"] != second["input"]["upload"]
    assert (second["status"], second["cached"], second["output"]) == ("succeeded", True, TEXT)
    assert second["usage"] == {"queue_seconds": 0.0, "run_seconds": 0.0, "units": 0}
    assert (await someone.look(first["id"]))["cached"] is False
    assert await usage(someone) == 1
    looked = await someone.look(second["id"])
    listed = (await someone.get(JOBS)).json()["data"]
    assert [job["id"] for job in listed] == [second["id"], first["id"]]
    for shown in (looked, listed[0]):
        for job in (shown, second):
            for artifact in job["artifacts"]:
                artifact["url"] = artifact["url_expires_at"] = ""
        assert shown == second
    assert not (await claim(api.resources.store, "w1", ["cpu"], 10, 30.0)).jobs


async def test_the_followers_of_such_a_job_hear_its_end(api: Api) -> None:
    someone = await customer_of(api)
    await ordered(someone, picture())
    await work(api)
    second = await ordered(someone, picture())
    told = (await someone.get(f"{JOBS}/{second['id']}/events")).text
    assert [line for line in told.splitlines() if line.startswith("event:")] == ["event: snapshot", "event: done"]
    (last,) = {line[4:] for line in told.splitlines() if line.startswith("id: ")} - {"0-0"} or {""}
    again = await someone.get(f"{JOBS}/{second['id']}/events", last_event_id=last)
    assert again.status_code == 204


async def test_its_artifacts_are_its_own(api: Api) -> None:
    """The first job's may go, with their job's retention: the second's are copies."""
    someone = await customer_of(api)
    first = await ordered(someone, picture())
    await work(api, files=(text_file(),))
    second = await ordered(someone, picture())
    user_id = (await someone.me())["id"]
    record = await load_job(api.resources.store, user_id, second["id"])
    assert all(f"/{second['id']}/" in one.object_name for one in record.artifacts)
    await api.resources.objects.remove(
        (await load_job(api.resources.store, user_id, first["id"])).artifacts[0].object_name
    )
    (artifact,) = (await someone.look(second["id"]))["artifacts"]
    async with httpx.AsyncClient(timeout=PATIENCE_S) as outside:
        fetched = await outside.get(artifact["url"])
    assert (fetched.content, fetched.headers["content-type"].partition(";")[0]) == (b"Total 12.50", "text/plain")
    assert (artifact["name"], artifact["pages"]) == ("text.txt", 1)


async def test_where_the_first_ones_files_are_gone_the_work_is_done_again(api: Api) -> None:
    someone = await customer_of(api)
    first = await ordered(someone, picture())
    await work(api, files=(text_file(),))
    user_id = (await someone.me())["id"]
    await api.resources.objects.remove(
        (await load_job(api.resources.store, user_id, first["id"])).artifacts[0].object_name
    )
    second = await ordered(someone, picture())
    assert (second["status"], second["cached"]) == ("queued", False)
    await work(api, files=(text_file(),))
    assert (await ordered(someone, picture()))["cached"] is True


async def test_detect_looks_only_when_it_is_told_to_and_never_behind_an_address(api: Api) -> None:
    someone = await customer_of(api)
    image = base64.b64encode(picture()).decode()

    async def detect(**members: Any) -> dict[str, Any]:
        answer: dict[str, Any] = (await someone.post(DETECT, {"image": image} | members, prefer="respond-async")).json()
        return answer

    await detect(cache=True)
    await work(api, "net", text="a")
    assert (await detect())["status"] == "queued"
    known = await detect(cache=True)
    assert (known["status"], known["cached"], known["output"]) == ("succeeded", True, {"text": "a"})
    assert (await detect(cache=True, regions=False))["cached"] is False
    answer = await someone.post(DETECT, {"image_url": "https://example.com/a.png", "cache": True})
    refused(answer, 422, "validation_failed")


async def test_who_waits_for_such_a_job_need_not(api: Api) -> None:
    someone = await customer_of(api)
    await ordered(someone, picture())
    await work(api)
    answer = await someone.post(OCR, {"upload": await someone.upload(picture())})
    assert (answer.status_code, answer.json()["cached"]) == (200, True)


async def test_a_used_up_quota_and_a_full_list_do_not_stand_in_the_way_and_the_rate_does(api: Api) -> None:
    someone = await customer_of(api, "free", units_per_day=2, queued_max=1, submits_per_minute=4)
    await ordered(someone, picture())
    await work(api)
    await ordered(someone, picture(100))
    upload = {"upload": await someone.upload(picture())}
    refused(await someone.post(OCR, {"upload": await someone.upload(picture(50))}), 429, "queue_limit")
    for _ in range(2):
        assert (await someone.job({"kind": "ocr", "input": upload}))["cached"] is True
    refused(await someone.submit({"kind": "ocr", "input": upload}), 429, "rate_limited")
    assert await usage(someone) == 1


async def test_an_idempotency_key_makes_one_such_job(api: Api) -> None:
    someone = await customer_of(api)
    await ordered(someone, picture())
    await work(api, files=(text_file(),))
    body = {"kind": "ocr", "input": {"upload": await someone.upload(picture())}}
    answers = await asyncio.gather(*[someone.submit(body, idempotency_key="once") for _ in range(20)])
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    user_id = (await someone.me())["id"]
    left = [each.name for each in await api.resources.objects.list(f"{user_id}/") if "/job_" in each.name]
    assert len(left) == 2, "the copies of those who came second are removed"
    other = {"kind": "ocr", "input": body["input"] | {"language": "de"}}  # type: ignore[operator]
    refused(await someone.submit(other, idempotency_key="once"), 422, "idempotency_key_reused")


async def test_only_what_succeeded_is_known_and_a_retry_is_always_run(api: Api) -> None:
    someone = await customer_of(api)
    first = await ordered(someone, picture())
    store = api.resources.store
    (claimed,) = (await claim(store, "w1", ["cpu"], 1, 30.0)).jobs
    await finish(store, claimed.job_id, claimed.fence, "fail", error={"code": "x", "detail": "y"})
    assert (await ordered(someone, picture()))["status"] == "queued"
    await work(api)
    again = (await someone.post(f"{JOBS}/{first['id']}/retry")).json()
    assert (again["status"], again["retry_of"]) == ("queued", first["id"])


async def test_a_job_that_is_scheduled_or_wants_no_known_result_is_run(api: Api) -> None:
    someone = await customer_of(api)
    await ordered(someone, picture())
    await work(api)
    assert (await ordered(someone, picture(), cache=False))["status"] == "queued"
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = {"kind": "ocr", "input": {"upload": await someone.upload(picture())}, "run_at": later}
    assert (await someone.job(body))["status"] == "scheduled"


@pytest.mark.parametrize("shares", [False, True])
async def test_another_users_result_is_known_only_where_the_plan_shares(api: Api, shares: bool) -> None:
    one, other = await customer_of(api, shares_results=shares), await customer_of(api, shares_results=shares)
    stranger = await customer_of(api, shares_results=False)
    await ordered(one, picture(), language="en")
    await work(api, files=(text_file(),))
    theirs = await ordered(other, picture())
    assert theirs["cached"] is shares
    assert (await ordered(stranger, picture()))["cached"] is False
    if shares:
        user_id = (await other.me())["id"]
        assert user_id in theirs["artifacts"][0]["url"]
        assert (await one.me())["id"] not in str(theirs)


async def test_who_is_erased_leaves_no_result_behind(api: Api) -> None:
    one, other = await customer_of(api, shares_results=True), await customer_of(api, shares_results=True)
    await ordered(one, picture())
    await work(api, files=(text_file(),))
    kept = await ordered(other, picture())
    store, user_id = api.resources.store, (await one.me())["id"]
    assert await store.call("KEYS", store.keys.result + "*")
    await begin_erasure(store, user_id)
    assert await erase_user(store, api.resources.objects, user_id)
    assert not await store.call("KEYS", store.keys.result + "*")
    assert (await ordered(other, picture()))["cached"] is False
    async with httpx.AsyncClient(timeout=PATIENCE_S) as outside:
        fetched = await outside.get((await other.look(kept["id"]))["artifacts"][0]["url"])
    assert fetched.content == b"Total 12.50"


async def test_a_result_is_known_for_a_day_and_no_longer_than_its_job(api: Api) -> None:
    store = api.resources.store
    for retention_s, kept_s in ((30 * 86_400, 86_400), (3_600, 3_600)):
        someone = await customer_of(api, retention_s=retention_s)
        await ordered(someone, picture())
        done = await work(api)
        digest = (await store.call("HGET", store.keys.job + done.job_id, "result")).decode()
        assert kept_s - 5 <= await store.call("TTL", store.keys.result + digest) <= kept_s


async def test_hits_and_misses_are_counted(api: Api) -> None:
    someone = await customer_of(api)
    await ordered(someone, picture())
    await work(api)
    await ordered(someone, picture())
    shown = (await api.http.get("/metrics")).text
    assert 'arqade_result_cache_total{kind="ocr",outcome="hit"} 1.0' in shown
    assert 'arqade_result_cache_total{kind="ocr",outcome="miss"} 1.0' in shown
