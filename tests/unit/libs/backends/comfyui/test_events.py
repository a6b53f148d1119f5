from __future__ import annotations

import struct

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.backends.comfyui.events import Ended, Note, Preview, Progress, Sign, read_frame, read_message


def message(event: str, **data: object) -> str:
    return orjson.dumps({"type": event, "data": data}).decode()


def with_metadata(told: object, picture: bytes = b"jpeg") -> bytes:
    metadata = orjson.dumps(told)
    return struct.pack(">II", 4, len(metadata)) + metadata + picture


@pytest.mark.parametrize("event", ["execution_success", "execution_error", "execution_interrupted"])
def test_an_end_is_an_end_however_it_came(event: str) -> None:
    assert read_message(message(event, prompt_id="p")) == Ended("p")


def test_executing_nothing_is_the_end_and_executing_a_node_a_sign_of_life() -> None:
    assert read_message(message("executing", node=None, prompt_id="p")) == Ended("p")
    assert read_message(message("executing", node="7", prompt_id="p")) == Sign("p", "7")
    assert read_message(message("executing", prompt_id="p")) == Sign("p")
    assert read_message(message("execution_cached", nodes=["7"], prompt_id="p")) == Sign("p")
    assert read_message(message("status", status={})) is None


def test_progress_names_its_node() -> None:
    assert read_message(message("progress", value=3, max=20, node="7", prompt_id="p")) == Progress("p", "7", 3, 20)


def test_the_state_of_all_nodes_is_the_progress_of_the_running_one() -> None:
    nodes = {
        "1": {"value": 1, "max": 1, "state": "finished"},
        "2": {"value": 0, "max": 1, "state": "running"},
        "7": {"value": 4, "max": 20, "state": "running"},
    }
    assert read_message(message("progress_state", prompt_id="p", nodes=nodes)) == Progress("p", "7", 4, 20)


@pytest.mark.parametrize("value,total", [(None, 20), (1, 0), (1, -1), (-1, 5), ("1", 5), (True, 5), (1, None)])
def test_progress_that_is_none_is_a_sign_of_life_and_no_more(value: object, total: object) -> None:
    assert read_message(message("progress", value=value, max=total, prompt_id="p")) == Sign("p")


def test_progress_never_exceeds_its_total() -> None:
    assert read_message(message("progress", value=21, max=20, prompt_id="p")) == Progress("p", None, 20, 20)


def test_a_preview_of_an_old_server_does_not_say_whose_it_is() -> None:
    assert read_frame(struct.pack(">II", 1, 1) + b"x") == Preview(None, "image/jpeg", b"x")
    assert read_frame(struct.pack(">II", 1, 2) + b"x") == Preview(None, "image/png", b"x")
    assert read_frame(struct.pack(">II", 1, 3) + b"x") is None


def test_a_preview_with_metadata_does() -> None:
    frame = with_metadata({"prompt_id": "p", "node_id": "7", "image_type": "image/png"})
    assert read_message(frame) == Preview("p", "image/png", b"jpeg", "7")


@pytest.mark.parametrize("told", [[], {"image_type": "text/html"}, {"image_type": 7}, {}])
def test_metadata_that_makes_no_sense_is_no_news(told: object) -> None:
    assert read_frame(with_metadata(told)) is None


def test_a_note_is_cut_to_a_length() -> None:
    assert read_frame(struct.pack(">II", 3, 1) + b"7" + b"ready") == Note(None, "ready")
    long = read_frame(struct.pack(">II", 3, 1) + b"7" + b"x" * 10_000)
    assert isinstance(long, Note)
    assert len(long.text) == 500


@pytest.mark.parametrize("frame", [b"", b"\x00\x00", struct.pack(">II", 4, 2**31) + b"{}", struct.pack(">II", 3, 9)])
def test_frames_that_end_too_soon_are_no_news(frame: bytes) -> None:
    assert read_frame(frame) is None


@given(st.binary(max_size=64) | st.text(max_size=64))
def test_nothing_that_a_socket_says_is_an_error(said: str | bytes) -> None:
    read_message(said)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.dictionaries(
            st.sampled_from(["type", "data", "node", "nodes", "state", "value", "max", "prompt_id"]), inner
        ),
    )
)
def test_no_json_is_either(said: object) -> None:
    read_message(orjson.dumps(said).decode())
    read_message(orjson.dumps({"type": "progress_state", "data": {"nodes": {"1": said}}}).decode())
