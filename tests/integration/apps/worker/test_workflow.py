"""`workflow` through the whole system: registered ones, and graphs of the caller's own."""

from __future__ import annotations

import io
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from PIL import Image

from libs.access.api_key import DEFAULT_SCOPES
from tests.fakes.backends import Backend
from tests.fakes.customers import Customer
from tests.fakes.graphs import node, picture_graph
from tests.fakes.problems import pointers, refused
from tests.fakes.workers import LOST_AFTER_S
from tests.fakes.workflows import from_picture, portrait
from tests.integration.apps.worker.test_whole_way import fetched, uploaded
from tests.integration.apps.worker.workshop import Workshop
from tests.system import System

PATH = "/api/v1/workflow"


def registered(system: System, body: dict[str, Any]) -> str:
    """Register a workflow; its name."""
    name = f"w{uuid.uuid4().hex[:12]}"
    made = system.admin("POST", "/admin/workflows", {"name": name, **body})
    assert (made["checked"], made["warnings"]) == (True, [])
    return name


@pytest.fixture
async def grapher(system: System) -> AsyncIterator[Customer]:
    """A user whose key may send graphs."""
    email = f"{uuid.uuid4().hex}@example.com"
    user = system.admin("POST", "/admin/users", {"email": email, "role": "PRO"})
    wanted = {"user_id": user["id"], "name": "raw", "scopes": sorted(DEFAULT_SCOPES | {"jobs:raw_workflow"})}
    secret = system.admin("POST", "/admin/api-keys", wanted)["api_key"]
    async with httpx.AsyncClient(base_url=system.url, timeout=70) as http:
        yield Customer(http, secret)


async def done(someone: Customer, wanted: dict[str, Any]) -> dict[str, Any]:
    answer = await someone.post(PATH, wanted)
    assert answer.status_code == 200, answer.text
    job: dict[str, Any] = answer.json()
    return job


async def picture_of(job: dict[str, Any], index: int = 0) -> Image.Image:
    return Image.open(io.BytesIO((await fetched(job["artifacts"][index]["url"])).content))


async def test_a_registered_workflow_is_run_with_what_was_said_and_told_what_was_not(
    system: System, someone: Customer
) -> None:
    name = registered(system, portrait())
    job = await done(someone, {"workflow": name, "parameters": {"prompt": "a boat", "side": 128, "pictures": 2}})
    assert (job["status"], job["error"]) == ("succeeded", None)
    seed = job["input"]["parameters"]["seed"]
    assert job["input"]["version"] == 1
    assert job["output"] == {"workflow": name, "version": 1, "seeds": {"seed": seed}, "files": 2}
    assert [(one["name"], one["width"], one["seed"]) for one in job["artifacts"]] == [
        ("0.png", 128, seed),
        ("1.png", 128, seed),
    ]
    assert job["usage"]["units"] == 2
    again = await done(someone, {"workflow": name, "parameters": job["input"]["parameters"]})
    assert again["artifacts"][0]["sha256"] == job["artifacts"][0]["sha256"]


async def test_what_is_wrong_is_pointed_at_in_both_kinds_of_body_and_costs_nothing(
    system: System, someone: Customer
) -> None:
    name = registered(system, portrait())
    wrong = {"workflow": name, "parameters": {"prompt": "x", "steps": 0, "colour": 1}}
    inner = ["parameters/colour", "parameters/steps"]
    assert list(pointers(await someone.post(PATH, wrong))) == [f"#/{one}" for one in inner]
    enveloped = await someone.submit({"kind": "workflow", "input": wrong})
    assert list(pointers(enveloped)) == [f"#/input/{one}" for one in inner]
    for body, where in (
        ({"workflow": "nobody"}, "#/workflow"),
        ({"workflow": name, "version": 2}, "#/version"),
        ({"workflow": name, "parameters": {"prompt": "x", "pictures": 5}}, "#/parameters/pictures"),
        ({"workflow": name, "graph": picture_graph()}, "#"),
        ({"version": 1}, "#"),
    ):
        assert list(pointers(await someone.post(PATH, body))) == [where]
    assert (await someone.me())["left"]["units_today"] == 100


async def test_a_picture_is_an_upload_of_the_callers_and_nobody_elses(
    system: System, someone: Customer, grapher: Customer
) -> None:
    name = registered(system, from_picture())
    start = io.BytesIO()
    Image.new("RGB", (96, 64), "red").save(start, "JPEG")
    upload = await uploaded(someone, "start.jpg", "image/jpeg", start.getvalue())
    job = await done(someone, {"workflow": name, "parameters": {"photo": upload}})
    assert (job["status"], job["error"]) == ("succeeded", None)
    assert (await picture_of(job)).size == (96, 64)
    stolen = await grapher.post(PATH, {"workflow": name, "parameters": {"photo": upload}})
    assert pointers(stolen) == {"#/parameters/photo": "unknown_upload"}
    scan = io.BytesIO()
    Image.new("L", (96, 64)).save(scan, "TIFF")
    page = await uploaded(someone, "page.tiff", "image/tiff", scan.getvalue())
    answer = await someone.post(PATH, {"workflow": name, "parameters": {"photo": page}})
    assert pointers(answer) == {"#/parameters/photo": "wrong_type"}


async def test_files_of_every_kind_are_kept_under_the_type_of_their_bytes(system: System, someone: Customer) -> None:
    graph = picture_graph() | {
        "10": node("SaveText", text="so it goes"),
        "11": node("EmptyAudio", duration=0.1),
        "12": node("SaveAudio", audio=["11", 0], filename_prefix="x"),
    }
    job = await done(someone, {"workflow": registered(system, {"graph": graph, "units": 3})})
    found = {one["name"].partition(".")[2]: one for one in job["artifacts"]}
    assert {name: one["content_type"] for name, one in found.items()} == {
        "png": "image/png",
        "txt": "text/plain",
        "wav": "audio/wav",
    }
    assert (await fetched(found["txt"]["url"])).content == b"so it goes"
    assert (await fetched(found["wav"]["url"])).content.startswith(b"RIFF")
    assert job["usage"]["units"] == 3


@pytest.mark.parametrize("allowed,status", [(False, "failed"), (True, "succeeded")])
async def test_outputs_that_the_backend_skipped_are_a_failure_unless_the_workflow_allows_it(
    system: System, someone: Customer, backend: Backend, allowed: bool, status: str
) -> None:
    name = registered(system, portrait(skipped_outputs_allowed=allowed))
    await backend.faults(partial=1)
    job = await done(someone, {"workflow": name, "parameters": {"prompt": "x"}})
    assert job["status"] == status
    assert "Traceback" not in str(job)


async def test_a_graph_of_ones_own_needs_its_scope_and_runs_with_it(someone: Customer, grapher: Customer) -> None:
    graph = picture_graph()
    graph["9"]["_meta"] = {"title": "Save"}
    for answer in (
        await someone.post(PATH, {"graph": graph}),
        await someone.submit({"kind": "workflow", "input": {"graph": graph}}),
    ):
        refused(answer, 403, "insufficient_scope")
        assert 'scope="jobs:raw_workflow"' in answer.headers["www-authenticate"]
    job = await done(grapher, {"graph": graph})
    assert (job["status"], job["error"], job["output"]) == ("succeeded", None, {"files": 1})
    assert job["artifacts"][0]["node"] == "9"
    assert job["input"]["graph"]["9"]["inputs"]["filename_prefix"] == "arqade"
    refused(await someone.post(f"/api/v1/jobs/{job['id']}/retry"), 404, "not_found")
    assert (await grapher.post(f"/api/v1/jobs/{job['id']}/retry")).status_code == 202


async def test_a_graph_of_ones_own_reads_uploads_and_nothing_else(grapher: Customer, someone: Customer) -> None:
    start = io.BytesIO()
    Image.new("RGB", (80, 64), "blue").save(start, "PNG")
    upload = await uploaded(grapher, "start.png", "image/png", start.getvalue())
    graph = {"1": node("LoadImage", image=upload), "2": node("PreviewImage", images=["1", 0])}
    job = await done(grapher, {"graph": graph})
    assert (job["status"], job["error"]) == ("succeeded", None)
    assert (await picture_of(job)).size == (80, 64)
    others = await uploaded(someone, "start.png", "image/png", start.getvalue())
    graph["1"] = node("LoadImage", image=others)
    assert pointers(await grapher.post(PATH, {"graph": graph})) == {"#/graph/1/inputs/image": "unknown_upload"}
    graph["1"] = node("LoadImage", image=f"{upload}.png [output]")
    assert pointers(await grapher.post(PATH, {"graph": graph})) == {"#/graph/1/inputs/image": "upload_needed"}


async def test_a_graph_of_ones_own_is_bound_by_the_plan_and_the_list_of_classes(grapher: Customer) -> None:
    graph = picture_graph()
    graph["5"]["inputs"]["batch_size"] = 5
    assert pointers(await grapher.post(PATH, {"graph": graph})) == {"#/graph": "over_plan_ceiling"}
    graph["5"]["inputs"]["batch_size"] = 2
    graph["9"]["class_type"] = "SaveLatent"
    answer = await grapher.submit({"kind": "workflow", "input": {"graph": graph}})
    assert pointers(answer) == {"#/input/graph/9/class_type": "node_not_allowed"}
    graph["9"]["class_type"] = "SaveImage"
    job = await done(grapher, {"graph": graph})
    assert (len(job["artifacts"]), job["usage"]["units"]) == (2, 2)


async def test_a_batch_of_graphs_needs_the_scope_too(someone: Customer) -> None:
    batch = {"kind": "workflow", "items": [{"graph": picture_graph()}]}
    answer = await someone.post("/api/v1/batches", batch)
    refused(answer, 403, "insufficient_scope")


async def test_what_was_ordered_of_a_version_is_run_by_it_whatever_became_of_it_since(workshop: Workshop) -> None:
    admin = Customer(workshop.api.http, (await workshop.api.admin())["Authorization"].removeprefix("Bearer "))
    assert (await admin.post("/admin/workflows", {"name": "old", **portrait(units=1)})).status_code == 201
    order = {"kind": "workflow", "input": {"workflow": "old", "parameters": {"prompt": "x", "side": 72}}}
    job_id = (await workshop.someone.job(order))["id"]
    assert (await admin.post("/admin/workflows/old/versions", from_picture())).status_code == 201
    assert (await admin.delete("/admin/workflows/old/versions/1")).status_code == 200
    assert (await admin.delete("/admin/workflows/old")).status_code == 204
    assert list(pointers(await workshop.someone.submit(order))) == ["#/input/workflow"]
    workshop.start_worker()
    job = await workshop.finished(job_id)
    assert (job["status"], job["error"], job["output"]["version"]) == ("succeeded", None, 1)
    assert job["artifacts"][0]["width"] == 72


async def test_what_could_not_be_checked_at_submission_is_checked_by_the_worker(workshop: Workshop) -> None:
    """No worker has told the nodes yet: a workflow and a graph are taken, and neither does what it may not."""
    api = workshop.api
    admin = Customer(api.http, (await api.admin())["Authorization"].removeprefix("Bearer "))
    grapher = Customer(api.http, await api.key("pro", DEFAULT_SCOPES | {"jobs:raw_workflow"}))
    graph = picture_graph()
    graph["3"]["inputs"]["sampler_name"] = "nobody"
    made = await admin.post("/admin/workflows", {"name": "early", "graph": graph})
    assert made.json()["checked"] is False
    early = (await workshop.someone.job({"kind": "workflow", "input": {"workflow": "early"}}))["id"]
    graph["3"]["inputs"] |= {"sampler_name": "euler", "mask_path": "/etc/passwd"}
    raw = (await grapher.job({"kind": "workflow", "input": {"graph": graph}}))["id"]
    workshop.start_worker()
    job = await workshop.finished(early)
    assert (job["status"], job["error"]["code"]) == ("failed", "workflow_invalid")
    assert "sampler_name" in job["error"]["detail"]
    job = await Workshop(api, grapher, workshop.standin, workshop.start_worker, workshop.workers).finished(raw)
    assert (job["status"], job["error"]["code"]) == ("failed", "workflow_invalid")
    assert "mask_path" in job["error"]["detail"]
    assert workshop.runs == []
    assert (await grapher.me())["left"]["units_today"] == 99
    assert (await workshop.someone.me())["left"]["units_today"] == 100


async def test_a_workflow_whose_worker_is_killed_is_drawn_once(workshop: Workshop) -> None:
    admin = Customer(workshop.api.http, (await workshop.api.admin())["Authorization"].removeprefix("Bearer "))
    graph = picture_graph(steps=100)
    assert (await admin.post("/admin/workflows", {"name": "long", "graph": graph})).status_code == 201
    for _ in range(2):
        workshop.start_worker(lease_s=LOST_AFTER_S)
    await workshop.workers_ready(2)
    job_id = (await workshop.someone.job({"kind": "workflow", "input": {"workflow": "long"}}))["id"]
    await workshop.at_work(job_id)
    (await workshop.holder_of(job_id)).kill()
    job = await workshop.finished(job_id)
    assert (job["status"], job["error"], workshop.runs) == ("succeeded", None, [1])
