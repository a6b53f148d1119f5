from __future__ import annotations

from typing import Any

import pytest

from libs.backends.comfyui.outputs import OUTPUTS_MAX, Saved, list_saved, require_picture
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
        Saved("3", "result", "f.glb", "mesh"),
        Saved("4", "text", "4-0.txt", text="a cat"),
        Saved("4", "text", "4-1.txt", text="a dog"),
    ]


def test_previews_are_kept_and_inputs_are_not() -> None:
    assert [saved.folder for saved in list_saved({"1": {"images": [file("a.png", type="temp")]}})] == ["temp"]
    assert list_saved({"1": {"images": [file("a.png", type="input"), file("b.png", type="../etc")]}}) == []


def test_a_prompt_may_leave_so_many_files_and_no_more() -> None:
    assert len(list_saved({"1": {"images": [file("a.png")] * OUTPUTS_MAX}})) == OUTPUTS_MAX
    with pytest.raises(Failure, match="output_too_large"):
        list_saved({"1": {"images": [file("a.png")] * (OUTPUTS_MAX + 1)}})


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
