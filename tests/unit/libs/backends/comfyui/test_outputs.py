from __future__ import annotations

from typing import Any

import pytest

from libs.backends.comfyui.outputs import OUTPUTS_MAX, Saved, list_saved, require_picture, values_of
from libs.errors import Failure

PNG = b"\x89PNG\r\n\x1a\n...IEND\xaeB`\x82"


def file(name: str, **members: Any) -> dict[str, Any]:
    return {"filename": name, "subfolder": "", "type": "output", **members}


def test_every_kind_of_output_is_kept() -> None:
    outputs = {
        "1": {"images": [file("a.png", subfolder="s")], "animated": [False]},
        "2": {"gifs": [file("b.mp4", format="video/h264-mp4")], "audio": [file("c.flac")]},
        "3": {"video": [file("d.webm")], "3d": [file("e.glb")], "result": ["mesh/f.glb", "", None, {"camera": 1}]},
        "4": {"text": ["a cat", "a dog"]},
    }
    assert list_saved(outputs) == [
        Saved("1", "images", "a.png", "s"),
        Saved("2", "gifs", "b.mp4"),
        Saved("2", "audio", "c.flac"),
        Saved("3", "video", "d.webm"),
        Saved("3", "3d", "e.glb"),
        Saved("3", "result", "f.glb", "mesh", is_guess=True),
        Saved("4", "text", "4-0.txt", text="a cat"),
        Saved("4", "text", "4-1.txt", text="a dog"),
    ]
    assert values_of(outputs) == {
        "3": {"result": ["mesh/f.glb", "", {"camera": 1}]},
        "4": {"text": ["a cat", "a dog"]},
    }


def test_what_is_no_file_is_a_value() -> None:
    told = {"tags": ["1girl, solo"], "score": [0.97, 1], "json": [{"a": [1]}], "ok": [True], "animated": [True]}
    assert list_saved({"7": told}) == []
    assert values_of({"7": told}) == {"7": {name: told[name] for name in ("tags", "score", "json", "ok")}}


@pytest.mark.parametrize(
    "entry,saved",
    [
        ("3d/x.glb", Saved("1", "result", "x.glb", "3d", is_guess=True)),
        ("3d/x.glb [output]", Saved("1", "result", "x.glb", "3d", is_guess=True)),
        ("deep/3d/x.PLY [temp]", Saved("1", "result", "x.PLY", "deep/3d", "temp", is_guess=True)),
        ("3d\\x.obj", Saved("1", "result", "x.obj", "3d", is_guess=True)),
        (
            {"filename": "3d/x.glb", "type": "output", "subfolder": "", "mediaType": "3d"},
            Saved("1", "result", "x.glb", "3d", is_guess=True),
        ),
        (file("x.glb", subfolder="3d"), Saved("1", "result", "x.glb", "3d")),
    ],
)
def test_a_mesh_that_is_told_as_a_text_is_found_where_it_lies(entry: Any, saved: Saved) -> None:
    assert list_saved({"1": {"result": [entry]}}) == [saved]


def test_a_sentence_is_no_file() -> None:
    assert list_saved({"1": {"result": ["A cat. It sleeps."]}}) == []


def test_previews_are_left_out_beside_what_is_saved_unless_asked_for_and_a_file_is_kept_once() -> None:
    outputs = {"1": {"images": [file("a.png"), file("b.png", type="temp")]}, "2": {"images": [file("a.png")]}}
    assert [(saved.node, saved.name) for saved in list_saved(outputs)] == [("1", "a.png")]
    assert [saved.folder for saved in list_saved(outputs, previews=True)] == ["output", "temp"]


def test_previews_are_kept_where_there_is_nothing_else_and_inputs_are_not() -> None:
    assert [saved.folder for saved in list_saved({"1": {"images": [file("a.png", type="temp")]}})] == ["temp"]
    assert list_saved({"1": {"images": [file("a.png", type="input"), file("b.png", type="../etc")]}}) == []


def test_a_prompt_may_leave_so_many_files_and_no_more() -> None:
    many = [file(f"{number}.png") for number in range(OUTPUTS_MAX + 1)]
    assert len(list_saved({"1": {"images": many[1:]}})) == OUTPUTS_MAX
    with pytest.raises(Failure, match="output_too_large"):
        list_saved({"1": {"images": many}})


@pytest.mark.parametrize("node", [None, [], {"images": None}, {"images": [7, None, {"filename": 7}, {"filename": ""}]}])
def test_garbage_is_no_file(node: Any) -> None:
    assert list_saved({"1": node}) == []


@pytest.mark.parametrize(
    "name,data",
    [("a.png", PNG), ("A.PNG", PNG), ("a.jpg", b"\xff\xd8\xff"), ("a.gif", b"GIF89a"), ("a.glb", b"x"), ("a", b"")],
)
def test_files_that_are_what_they_are_called_pass(name: str, data: bytes) -> None:
    require_picture(name, data)


@pytest.mark.parametrize("name,data", [("a.png", b"<html>"), ("a.png", PNG[:-1]), ("a.jpeg", PNG), ("a.webp", b"")])
def test_pictures_that_are_none_do_not(name: str, data: bytes) -> None:
    with pytest.raises(Failure, match="backend_output_invalid"):
        require_picture(name, data)
