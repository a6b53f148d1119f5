"""Pictures that a graph reads: handed over with it, named by us."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from libs.backends.comfyui import Graph
from libs.backends.transport import FileContent
from libs.embedded.comfyui_standin import Fault
from libs.embedded.comfyui_standin.pictures import draw
from libs.errors import Failure, Unavailable
from tests.integration.libs.backends.comfyui.bench import Bench

PNG = draw(seed=1, width=64, height=64, prompt="", index=0, label="")


def graph(name: str) -> Graph:
    return {
        "load": {"class_type": "LoadImage", "inputs": {"image": name}},
        "save": {"class_type": "SaveImage", "inputs": {"images": ["load", 0], "filename_prefix": "x"}},
    }


def loaded(bench: Bench) -> list[str]:
    """What the prompts in the history loaded."""
    entries: list[Any] = [entry["prompt"][2] for entry in bench.standin.prompts.history_json().values()]
    return [entry["load"]["inputs"]["image"] for entry in entries]


def input_files(bench: Bench) -> dict[str, bytes]:
    files = bench.standin.routes.files._files
    return {f"{subfolder}/{name}": data for (folder, subfolder, name), data in files.items() if folder == "input"}


@pytest.mark.parametrize("from_disk", [False, True])
async def test_an_upload_lies_where_the_graph_is_made_to_look(bench: Bench, tmp_path: Path, *, from_disk: bool) -> None:
    content: FileContent = PNG
    if from_disk:
        content = tmp_path / "picture"
        content.write_bytes(PNG)
    await bench.comfyui.run(graph("upload_1.PNG"), bench.attempt(), uploads={"upload_1.PNG": content})
    assert input_files(bench) == dict.fromkeys(loaded(bench), PNG)
    assert loaded(bench)[0].startswith("arqade/")
    assert loaded(bench)[0].endswith(".png")


async def test_two_jobs_do_not_read_each_others_uploads(bench: Bench) -> None:
    for job_id, content in (("job_a", PNG), ("job_b", PNG + b"b")):
        await bench.comfyui.run(graph("u.png"), bench.attempt(job_id), uploads={"u.png": content})
    assert sorted(input_files(bench).values()) == [PNG, PNG + b"b"]
    assert len(set(loaded(bench))) == 2


async def test_a_picture_that_comes_again_is_not_stored_twice(bench: Bench) -> None:
    for job_id in ("job_a", "job_b", "job_c"):
        await bench.comfyui.run(graph("u.png"), bench.attempt(job_id), uploads={"u.png": PNG})
    assert list(input_files(bench).values()) == [PNG]
    assert len(set(loaded(bench))) == 1


async def test_an_odd_name_leaves_nothing_of_itself_at_the_server(bench: Bench) -> None:
    await bench.comfyui.run(graph("../ü.p/ng"), bench.attempt(), uploads={"../ü.p/ng": PNG})
    (name,) = loaded(bench)
    assert name.isascii()
    assert name.count("/") == 1
    assert ".." not in name


async def test_a_server_that_takes_no_upload_gets_no_prompt_either(bench: Bench) -> None:
    for fault, error in (("status_500", Unavailable), ("html", Unavailable), ("garbage", Unavailable)):
        bench.faults(Fault(fault, "/upload"))
        with pytest.raises(error):
            await bench.comfyui.run(graph("u.png"), bench.attempt(), uploads={"u.png": PNG})
    assert bench.runs == 0
    assert not isinstance(error, Failure)
