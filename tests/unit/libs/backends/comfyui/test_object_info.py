from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs import limits
from libs.backends.comfyui import object_info
from libs.backends.comfyui.object_info import members_of, read_offer
from libs.backends.comfyui.schema import read_classes
from tests.fakes.comfyui_classes import classes_0_33, object_info_0_33

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def pieces(data: bytes, length: int) -> Iterator[bytes]:
    return (data[at : at + length] for at in range(0, len(data), length))


@given(st.dictionaries(st.text(), JSON), st.integers(1, 30), st.booleans())
def test_a_text_in_pieces_is_read_as_a_whole_one_would_be(found: dict[str, Any], length: int, indented: bool) -> None:
    data = orjson.dumps(found, option=orjson.OPT_INDENT_2 if indented else None)
    assert dict(members_of(pieces(data, length))) == orjson.loads(data)


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{", b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,}', b'{"a" 1}', b"<html>", b'{"a":tru}']
)
def test_what_is_no_object_or_ends_in_the_middle_is_said_to_be_so(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        list(members_of([text]))


def test_a_member_too_large_to_be_held_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_info, "_VALUE_CHARACTERS_MAX", 100)
    with pytest.raises(ValueError, match="too large"):
        list(members_of(pieces(orjson.dumps({"a": "x" * 1_000}), 10)))


def test_values_too_deep_are_no_crash() -> None:
    with pytest.raises(ValueError, match="deep"):
        list(members_of([b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"]))


def test_every_class_of_a_real_server_is_read() -> None:
    offer = read_offer(pieces(orjson.dumps(dict(object_info_0_33())), 65_536))
    assert offer.problems == []
    assert offer.classes == {name: one for name, one in classes_0_33().items() if name != "VHS_VideoCombine"}
    assert not any(one.unread for one in offer.classes.values())


def test_a_class_that_cannot_be_read_is_told_and_the_others_are_there() -> None:
    info = {"Odd": {"input": 7}, "y" * 200: {}, "SaveImage": object_info_0_33()["SaveImage"]}
    offer = read_offer([orjson.dumps(info)])
    assert offer.classes["SaveImage"] == read_classes(info)["SaveImage"]
    assert offer.classes["Odd"].unread
    assert offer.problems[0] == "the node class 'Odd' cannot be used: its declaration is not understood"
    assert "1 node classes cannot be used" in offer.problems[1]


def test_of_a_large_installation_little_is_held_at_a_time() -> None:
    """30 packages that list the same 5,000 LoRAs ten times each, and 10,000 pictures in the input folder."""
    loras = [f"styles/{number:05}-{'x' * 50}.safetensors" for number in range(5_000)]
    pictures = [f"{number:05}-{'y' * 50}.png" for number in range(10_000)]
    package = {"input": {"required": {f"lora_{n}": [loras, {}] for n in range(10)}}, "output": ["MODEL"]}
    loader = {"input": {"required": {"image": [pictures, {"image_upload": True}]}}, "output": ["IMAGE", "MASK"]}
    one, other = orjson.dumps(package), orjson.dumps(loader)

    def told() -> Iterator[bytes]:
        yield b'{"LoadImage":' + other
        for number in range(30):
            yield b',"Package%d":' % number + one
        yield b"}"

    size_bytes = sum(len(piece) for piece in told())
    assert size_bytes > 102 * 2**20
    tracemalloc.start()
    offer = read_offer(told())
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < size_bytes / 2
    assert len(offer.classes) == 31 <= limits.NODE_CLASSES_MAX
    assert offer.classes["LoadImage"].inputs["image"].choices is None
    assert len({id(declared.choices) for one in offer.classes.values() for _, declared in one.all_inputs()}) == 2
