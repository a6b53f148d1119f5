"""The whole way of a job through the whole system: from the order to the bytes."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.fakes.api import bearer
from tests.fakes.backends import Backend
from tests.fakes.customers import JOBS, PICTURE, Customer
from tests.fakes.live import following
from tests.fakes.scanned_page import SAMPLE, SAMPLE_TEXT
from tests.fakes.sse import Sent
from tests.patience import PATIENCE_S

DRAW = {key: value for key, value in PICTURE.items() if key != "seed"}


async def fetched(url: str) -> httpx.Response:
    """What a stranger gets who has the URL and no key."""
    async with httpx.AsyncClient(timeout=PATIENCE_S) as stranger:
        return await stranger.get(url)


async def put(someone: Customer, name: str, content_type: str, data: bytes) -> dict[str, Any]:
    """An upload whose bytes have arrived, and which nobody has completed."""
    body = {"filename": name, "content_type": content_type, "size_bytes": len(data)}
    upload: dict[str, Any] = (await someone.post("/api/v1/uploads", body)).json()
    async with httpx.AsyncClient(timeout=PATIENCE_S) as stranger:
        assert (await stranger.put(upload["url"], content=data, headers=upload["headers"])).status_code == 200
    return upload


async def uploaded(someone: Customer, name: str, content_type: str, data: bytes) -> str:
    """The id of a completed upload."""
    upload = await put(someone, name, content_type, data)
    assert (await someone.post(upload["links"]["complete"])).status_code == 200
    return str(upload["id"])


async def test_a_generate_job_ends_with_pictures_whose_bytes_are_what_was_told(someone: Customer) -> None:
    answer = await someone.post("/api/v1/generate", {**DRAW, "width": 96, "batch_size": 2})
    job = answer.json()
    assert (answer.status_code, job["status"], job["error"]) == (200, "succeeded", None)
    seed = job["input"]["seed"]
    told = {"seed": seed, "seeds": [seed, seed + 1], "model": job["output"]["model"], "images": 2}
    assert job["output"] == told
    assert [one["seed"] for one in job["artifacts"]] == told["seeds"]
    assert [one["name"] for one in job["artifacts"]] == ["0.png", "1.png"]
    assert len({one["sha256"] for one in job["artifacts"]}) == 2
    for artifact in job["artifacts"]:
        file = await fetched(artifact["url"])
        assert file.status_code == 200
        assert hashlib.sha256(file.content).hexdigest() == artifact["sha256"]
        assert (len(file.content), file.headers["content-type"]) == (artifact["size_bytes"], "image/png")
        assert file.headers["content-disposition"].startswith(f'attachment; filename="{artifact["name"]}"')
        with Image.open(BytesIO(file.content)) as picture:
            assert picture.size == (artifact["width"], artifact["height"]) == (96, 64)
    assert job["usage"]["units"] == 2
    assert job["usage"]["run_seconds"] > 0


async def test_artifacts_are_listed_and_each_has_an_address_that_leads_to_it(someone: Customer) -> None:
    job = (await someone.post("/api/v1/generate", DRAW)).json()
    path = f"{JOBS}/{job['id']}/artifacts"
    (listed,) = (await someone.get(path)).json()["data"]
    assert {**listed, "url": "", "url_expires_at": ""} == {**job["artifacts"][0], "url": "", "url_expires_at": ""}
    led = await someone.get(f"{path}/0.png")
    assert led.status_code == 302
    assert hashlib.sha256((await fetched(led.headers["location"])).content).hexdigest() == listed["sha256"]


async def test_any_picture_of_a_batch_is_drawn_again_by_its_own_seed(someone: Customer) -> None:
    batch = (await someone.post("/api/v1/generate", {**DRAW, "batch_size": 3})).json()
    for picture in batch["artifacts"]:
        again = (await someone.post("/api/v1/generate", {**DRAW, "seed": picture["seed"]})).json()
        assert again["artifacts"][0]["sha256"] == picture["sha256"]


async def test_a_picture_is_drawn_from_an_uploaded_one_in_its_shape(someone: Customer) -> None:
    start = BytesIO()
    Image.new("RGB", (200, 100), "red").save(start, "PNG")
    upload = await uploaded(someone, "start.png", "image/png", start.getvalue())
    loras = [{"name": "pixel_art.safetensors", "strength": 0.5}]
    body = {"prompt": "a boat", "init_image": upload, "denoise": 0.5, "width": 128, "loras": loras, "steps": 4}
    job = (await someone.post("/api/v1/generate", body)).json()
    assert (job["status"], job["error"]) == ("succeeded", None)
    (picture,) = job["artifacts"]
    assert (picture["width"], picture["height"]) == (128, 64)
    assert job["input"]["init_image"] == upload


async def test_a_start_that_is_no_picture_is_refused_where_it_is_named(someone: Customer) -> None:
    scan = BytesIO()
    Image.new("L", (96, 64)).save(scan, "TIFF")
    page = await uploaded(someone, "page.tiff", "image/tiff", scan.getvalue())
    for where, body in (("#", {}), ("#/input", {"kind": "generate"})):
        asked = {"prompt": "a boat", "init_image": page}
        answer = await someone.submit({**body, "input": asked} if body else asked)
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["pointer"], error["code"]) == (422, f"{where}/init_image", "wrong_type")


async def test_a_follower_is_told_of_the_steps_and_of_the_end(someone: Customer) -> None:
    job_id = (await someone.job({**DRAW, "steps": 30}))["id"]
    headers = bearer(someone.secret)
    async with following(someone.http, f"{JOBS}/{job_id}/events", headers) as stream:
        events = await stream.rest()
    assert events[0].type == "snapshot"
    assert events[-1].type == "done"
    assert "progress" in {event.type for event in events}
    steps = [event.data["step"] for event in events if event.type == "progress"]
    assert steps == sorted(steps)
    done = events[-1].data
    assert (done["status"], done["progress"]["fraction"]) == ("succeeded", 1.0)
    assert (await fetched(done["artifacts"][0]["url"])).status_code == 200


async def test_a_follower_who_loses_the_line_resumes_without_a_gap(someone: Customer) -> None:
    job_id = (await someone.job({**DRAW, "steps": 100}))["id"]
    headers, path = bearer(someone.secret), f"{JOBS}/{job_id}/events"
    seen: list[Sent] = []
    async with following(someone.http, path, headers) as stream:
        while not seen or seen[-1].type != "progress":
            event = await stream.next()
            assert event is not None
            seen.append(event)
    async with following(someone.http, path, headers | {"Last-Event-ID": seen[-1].id}) as stream:
        rest = await stream.rest()
    assert rest[-1].type == "done"
    assert "snapshot" not in [event.type for event in rest]
    ids = [tuple(map(int, event.id.split("-"))) for event in (*seen[1:], *rest)]
    assert ids == sorted(set(ids))


async def test_a_client_that_hangs_up_cancels_nothing(someone: Customer) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await someone.http.post(
            "/api/v1/generate", json={**DRAW, "steps": 50}, headers=bearer(someone.secret), timeout=0.3
        )
    (job,) = (await someone.get(JOBS)).json()["data"]
    async with following(someone.http, f"{JOBS}/{job['id']}/events", bearer(someone.secret)) as stream:
        done = (await stream.rest())[-1].data
    assert done["status"] == "succeeded"


async def test_canceling_a_running_job_interrupts_the_backend(someone: Customer, backend: Backend) -> None:
    before = await backend.counts()
    job_id = (await someone.job({**DRAW, "steps": 150}))["id"]
    async with following(someone.http, f"{JOBS}/{job_id}/events", bearer(someone.secret)) as stream:
        while (event := await stream.next()) is not None and not (event.type == "progress" and event.data["step"]):
            pass
        canceled = await someone.delete(f"{JOBS}/{job_id}")
        done = (await stream.rest())[-1].data
    assert canceled.status_code == 202
    assert (done["status"], done["artifacts"], done["error"]) == ("canceled", [], None)
    assert done["progress"]["step"] < 150
    after = await backend.counts()
    (prompt_id,) = after["runs"].keys() - before["runs"].keys()
    assert after["interrupts"][len(before["interrupts"]) :] == [prompt_id]


async def test_an_ocr_job_reads_the_uploaded_page(someone: Customer) -> None:
    upload = await put(someone, SAMPLE.name, "image/jpeg", SAMPLE.read_bytes())
    refused = await someone.post("/api/v1/ocr", {"upload": upload["id"]})
    assert refused.json()["errors"] == [
        {"pointer": "#/upload", "detail": refused.json()["errors"][0]["detail"], "code": "upload_not_completed"}
    ]
    assert (await someone.post(upload["links"]["complete"])).status_code == 200
    answer = await someone.post("/api/v1/ocr", {"upload": upload["id"]})
    job = answer.json()
    assert (answer.status_code, job["status"], job["error"]) == (200, "succeeded", None)
    for line in SAMPLE_TEXT.read_text().splitlines()[:3]:
        assert line in job["output"]["text"]
    text = next(one for one in job["artifacts"] if one["name"] == "text.txt")
    file = await fetched(text["url"])
    assert (file.text, hashlib.sha256(file.content).hexdigest()) == (job["output"]["text"], text["sha256"])
