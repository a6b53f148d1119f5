"""The stand-in as a program and as a server: what it says of itself, and where it is as odd as ComfyUI."""

from __future__ import annotations

import asyncio
import io
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from PIL import Image

from libs.embedded.comfyui_standin import Fault, Standin, stage
from libs.kinds.generate_graph import picture_graph
from libs.kinds.generate_input import GenerateInput
from libs.kinds.generate_size import picture_size
from tests.patience import PATIENCE_S
from tests.run.promises import Prompt

PROMPT_ID = "00000000-0000-5000-8000-000000000001"


def graph(**members: Any) -> Any:
    wanted = GenerateInput.model_validate({"prompt": "a cat", "width": 64, "height": 64, "steps": 2, **members})
    return picture_graph(
        wanted, model="v1-5-pruned-emaonly.ckpt", seeds=wanted.seeds(3), size=picture_size(wanted, None)
    )


@pytest.fixture
def standin() -> Standin:
    return Standin(step_ms=1)


@pytest.fixture
async def http(standin: Standin) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        standin.listening() as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client,
    ):
        yield client


async def run(http: httpx.AsyncClient, prompt: Any, prompt_id: str = PROMPT_ID) -> Any:
    """Submit a graph and wait for its history entry."""
    assert (await http.post("/prompt", json={"prompt": prompt, "prompt_id": prompt_id})).status_code == 200
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        history = (await http.get(f"/history/{prompt_id}")).json()
        if history and not (await http.get("/queue")).json()["queue_running"]:
            return history[prompt_id]
        await asyncio.sleep(0.005)
    raise AssertionError("it did not end")


def test_it_starts_at_once_tells_its_port_and_stops_at_sigterm(prompt: Prompt) -> None:
    command = [sys.executable, "-m", "libs.embedded.comfyui_standin", "--port", "0", "--step-ms", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        with prompt(5):  # half a second on an idle machine
            told = orjson.loads(process.stdout.readline())
        stats = httpx.get(f"http://127.0.0.1:{told['port']}/system_stats", trust_env=False, timeout=PATIENCE_S).json()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        assert process.stdout.read() == b""
    assert "no ComfyUI" in stats["system"]["stand_in"]


async def test_a_picture_is_real_and_of_the_wanted_size_and_the_same_for_the_same_seed(
    http: httpx.AsyncClient,
) -> None:
    entry = await run(http, graph(width=128, height=72))
    (saved,) = entry["outputs"]["save-0"]["images"]
    png = (await http.get("/view", params=saved)).content
    with Image.open(io.BytesIO(png)) as picture:
        assert (picture.format, picture.size) == ("PNG", (128, 72))
    prefixed = graph(width=128, height=72)
    prefixed["save-0"]["inputs"]["filename_prefix"] = "again"
    again = await run(http, prefixed, PROMPT_ID[:-1] + "2")
    assert (await http.get("/view", params=again["outputs"]["save-0"]["images"][0])).content == png


async def test_an_identical_graph_is_answered_from_cache_without_outputs(http: httpx.AsyncClient) -> None:
    await run(http, graph())
    assert (await run(http, graph(), PROMPT_ID[:-1] + "2"))["outputs"] == {}


async def test_its_cache_may_let_go_of_what_a_run_needs_at_any_picture(
    http: httpx.AsyncClient, standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "CACHED_MAX", 9)  # fewer than two pictures have nodes
    for number in range(20):
        wanted = graph(steps=1, prompt=f"cat {number}")
        prompt_id = f"{PROMPT_ID[:-2]}{number:02}"
        assert (await run(http, wanted, prompt_id))["status"]["status_str"] == "success"
    assert standin.prompts.remaining == 0


async def test_what_is_used_again_and_again_stays_in_its_cache(http: httpx.AsyncClient, standin: Standin) -> None:
    loader = "checkpoint"
    told: list[Any] = []
    for number in range(stage.CACHED_MAX // 4 + 10):
        entry = await run(http, graph(steps=1, prompt=f"cat {number}"), f"{PROMPT_ID[:-4]}{number:04}")
        told = dict(entry["status"]["messages"])["execution_cached"]["nodes"]
    assert loader in told
    assert standin.prompts.remaining == 0


async def test_a_prompt_that_it_cannot_run_ends_and_the_next_one_is_run(
    http: httpx.AsyncClient, standin: Standin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> Any:
        raise KeyError("a bug of ours")

    with monkeypatch.context() as for_now:
        for_now.setattr(standin.stage, "save", broken)
        entry = await run(http, graph())
    ((event, told),) = [message for message in entry["status"]["messages"] if message[0] == "execution_error"]
    assert (event, told["exception_type"]) == ("execution_error", "KeyError")
    assert "could not be run to its end" in caplog.text
    assert (await run(http, graph(), PROMPT_ID[:-1] + "2"))["status"]["status_str"] == "success"


async def test_an_end_that_it_cannot_tell_does_not_keep_the_next_one_from_running(
    http: httpx.AsyncClient, standin: Standin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise KeyError("a bug of ours")

    with monkeypatch.context() as for_now:
        for_now.setattr(standin, "_tell_status", broken)
        await run(http, graph())
    assert "could not be told" in caplog.text
    assert (await run(http, graph(), PROMPT_ID[:-1] + "2"))["status"]["status_str"] == "success"


async def test_the_same_id_twice_runs_twice(http: httpx.AsyncClient, standin: Standin) -> None:
    await run(http, graph())
    await run(http, graph())
    assert standin.prompts.runs == {PROMPT_ID: 2}


async def test_an_interrupt_without_an_id_kills_whatever_runs(http: httpx.AsyncClient, standin: Standin) -> None:
    slow = graph()
    slow["sampler-0"]["inputs"]["steps"] = 5_000
    task = asyncio.create_task(run(http, slow))
    while not (await http.get("/queue")).json()["queue_running"]:
        await asyncio.sleep(0.005)
    await http.post("/interrupt", json={"prompt_id": PROMPT_ID[:-1] + "2"})
    await http.post("/interrupt")
    entry = await task
    assert entry["status"]["status_str"] == "error"
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"
    assert standin.prompts.interrupts == [PROMPT_ID[:-1] + "2", None]


async def test_a_foreign_origin_is_refused(http: httpx.AsyncClient) -> None:
    assert (await http.get("/system_stats", headers={"Origin": "http://evil.example"})).status_code == 403


@pytest.mark.parametrize("name,status", [("../x", 400), ("/etc/passwd", 400), ("none.png", 404)])
async def test_files_lie_where_they_lie_and_nowhere_else(http: httpx.AsyncClient, name: str, status: int) -> None:
    assert (await http.get("/view", params={"filename": name})).status_code == status


async def test_an_upload_of_other_bytes_gets_another_name(http: httpx.AsyncClient) -> None:
    names = []
    for data in (b"one", b"one", b"two"):
        reply = await http.post("/upload/image", files={"image": ("a.png", data)}, data={"subfolder": "s"})
        names.append(reply.json()["name"])
    assert names == ["a.png", "a.png", "a (1).png"]
    fetched = await http.get("/view", params={"filename": "a (1).png", "subfolder": "s", "type": "input"})
    assert fetched.content == b"two"


async def test_a_loop_a_dead_link_and_an_unknown_class_are_refused(http: httpx.AsyncClient) -> None:
    loop, dead, unknown = graph(), graph(), graph()
    loop["decode-0"]["inputs"]["samples"] = ["decode-0", 0]
    dead["decode-0"]["inputs"]["samples"] = ["nowhere", 0]
    unknown["decode-0"]["class_type"] = "Nonsense"
    wrongs: list[Any] = [loop, dead, unknown, {}, None, 7]
    for wrong in wrongs:
        reply = await http.post("/prompt", json={"prompt": wrong, "prompt_id": PROMPT_ID})
        assert reply.status_code == 400
        assert reply.json()["error"]["message"]


async def test_an_id_that_is_no_canonical_uuid_is_refused(http: httpx.AsyncClient) -> None:
    reply = await http.post("/prompt", json={"prompt": graph(), "prompt_id": PROMPT_ID.replace("-", "")})
    assert reply.status_code == 400


async def test_garbage_is_answered_with_500_in_plain_text_and_the_server_lives_on(http: httpx.AsyncClient) -> None:
    for body in (b"{", b"[]", b"7", b'{"prompt_id": 7}'):
        assert (await http.post("/prompt", content=body)).status_code == 500
    assert (await http.get("/queue")).json() == {"queue_running": [], "queue_pending": []}


async def test_faults_are_set_over_http_and_wear_off(http: httpx.AsyncClient) -> None:
    faults = [{"name": "status_500", "path": "/queue", "times": 1}]
    assert (await http.post("/standin/faults", json={"faults": faults})).status_code == 200
    assert (await http.get("/queue")).status_code == 500
    assert (await http.get("/queue")).status_code == 200
    assert (await http.post("/standin/faults", json={"faults": [{"name": "nonsense"}]})).status_code == 500


async def test_it_tells_what_it_has_done(http: httpx.AsyncClient) -> None:
    await run(http, graph())
    await http.post("/free", json={"free_memory": True})
    told = (await http.get("/standin")).json()
    assert (told["stand_in"], told["runs"], told["frees"]) == (True, {PROMPT_ID: 1}, 1)


async def test_models_are_listed_by_folder(http: httpx.AsyncClient) -> None:
    assert "v1-5-pruned-emaonly.ckpt" in (await http.get("/models/checkpoints")).json()
    assert (await http.get("/models/nonsense")).status_code == 404


def test_a_fault_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        Fault("nonsense")
