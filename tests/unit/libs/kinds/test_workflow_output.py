from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from libs import limits
from libs.backends.comfyui import Outcome, OutputFile
from libs.errors import Failure
from libs.kinds.workflow_input import WorkflowInput
from libs.kinds.workflow_output import output_of
from libs.kinds.workflow_ready import Ready
from libs.spool import chunks_of

FILES = Path(__file__).parents[3] / "fakes" / "labelled"
REGISTERED = Ready({}, {}, is_raw=False, titles={"9": "The portrait"}, seeds={"seed": 7})
RAW = Ready({}, {}, is_raw=True)
ORDER = WorkflowInput(workflow="portrait", version=3)


def saved(extension: str, **members: Any) -> OutputFile:
    data = (FILES / f"picture.{extension}").read_bytes()
    return OutputFile("9", "images", f"x_00001_.{extension}", data, **members)


def test_each_file_is_told_with_its_node_its_title_and_what_comfyui_calls_it() -> None:
    files = (saved("png", subfolder="arqade"), replace(saved("webp"), node="10", folder="temp"))
    first, second = output_of(ORDER, REGISTERED, Outcome(files)).artifacts
    assert (first.name, first.content_type) == ("0.png", "image/png")
    assert first.facts == {
        "node": "9",
        "title": "The portrait",
        "file": "x_00001_.png",
        "folder": "arqade",
        "type": "output",
        "seed": 7,
    }
    assert second.facts == {"node": "10", "file": "x_00001_.webp", "folder": "", "type": "temp", "seed": 7}


@pytest.mark.parametrize("extension", ["flac", "latent", "mp3", "mp4", "opus", "png", "webm", "webp"])
def test_the_graph_of_a_registered_workflow_is_in_no_artifact_and_that_of_a_raw_one_is(extension: str) -> None:
    for ready, there in ((REGISTERED, False), (RAW, True)):
        (artifact,) = output_of(ORDER, ready, Outcome((saved(extension),))).artifacts
        assert (b"class_type" in b"".join(chunks_of(artifact.data))) is there


def test_a_latent_has_a_type_and_a_name_of_its_own() -> None:
    (artifact,) = output_of(ORDER, REGISTERED, Outcome((saved("latent"),))).artifacts
    assert (artifact.name, artifact.content_type) == ("0.latent", "application/x-safetensors")


@pytest.mark.parametrize("at", [0, 1024 * 1024 - 5, 1024 * 1024])
def test_a_graph_that_cannot_be_taken_out_is_kept_back_and_the_operator_told_what_to_do(at: int) -> None:
    hidden = OutputFile("9", "images", "x.avif", bytes(at) + b'{"class_type": "SaveImage"}')
    with pytest.raises(Failure) as caught:
        output_of(ORDER, REGISTERED, Outcome((hidden,)))
    assert caught.value.code == "graph_in_output"
    assert "--disable-metadata" in caught.value.detail
    assert output_of(ORDER, RAW, Outcome((hidden,))).artifacts


def test_values_come_in_the_output_and_as_a_file_where_they_are_many() -> None:
    few: dict[str, dict[str, list[Any]]] = {"7": {"tags": ["1girl"], "score": [0.97]}}
    many: dict[str, dict[str, list[Any]]] = {"7": {"text": ["x" * limits.WORKFLOW_VALUES_BYTES_MAX]}}
    assert output_of(ORDER, REGISTERED, Outcome(values=few)).value["values"] == few
    told = output_of(ORDER, REGISTERED, Outcome(values=many))
    assert "values" not in told.value
    assert orjson.loads(b"".join(chunks_of(told.artifacts[0].data))) == many


def test_a_success_without_files_says_so() -> None:
    told = output_of(ORDER, REGISTERED, Outcome(warnings=("no files",))).value
    assert (told["files"], told["warnings"]) == (0, ["no files"])
