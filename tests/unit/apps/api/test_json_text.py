from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.api import json_text
from apps.api.json_text import Ceilings, Look, OddError, end_of_value, surely_few
from libs.errors import Refusal

Json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text('a"\\[]{},:\n\x00é'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('a"\\[]{},:'), inner, max_size=4),
    max_leaves=30,
)
MANY = Ceilings(None, 1_000_000, 1_000)


def counted(value: Any) -> tuple[int, int, int]:
    """Values as a look counts them (a list or an object that is empty is one more), members, and depth."""
    if not isinstance(value, list | dict):
        return 0, 0, 0
    inner = [counted(each) for each in (value.values() if isinstance(value, dict) else value)]
    values, members = max(1, len(value)), len(value) if isinstance(value, dict) else 0
    return (
        values + sum(each[0] for each in inner),
        members + sum(each[1] for each in inner),
        1 + max((each[2] for each in inner), default=0),
    )


@pytest.fixture(params=[2, 3, 7, 16_384])
def window(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    size: int = request.param
    monkeypatch.setattr(json_text, "_WINDOW_BYTES", size)
    return size


def look_at(text: bytes, ceilings: Ceilings = MANY) -> Look:
    look = Look(text, ceilings)
    look.through()
    return look


@pytest.mark.parametrize("window_bytes", [2, 3, 7, 16_384])
@given(Json)
def test_values_and_members_are_counted_wherever_a_window_ends(window_bytes: int, value: object) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_text, "_WINDOW_BYTES", window_bytes)
        text, (values, members, depth) = orjson.dumps(value), counted(value)
        look = look_at(text)
        assert (look.values, look.members) == (values, members)
        assert look_at(text, Ceilings(None, values, depth)).values == values
        if depth:
            with pytest.raises(Refusal, match="nested deeper"):
                look_at(text, Ceilings(None, values, depth - 1))
            with pytest.raises(Refusal, match="more than"):
                look_at(text, Ceilings(None, values - 1, depth))


@given(Json, st.integers(0, 40))
def test_what_passes_at_a_glance_passes_a_look(value: object, values_max: int) -> None:
    text = orjson.dumps(value)
    if surely_few(text, values_max):
        assert look_at(text).values <= values_max


@pytest.mark.parametrize("text", [b'"', b'"\\', b'["a', b'["a\\"', b'{"a":"\\\\', b'"a""b"', b"]]]]", b'\\"[['])
@pytest.mark.usefixtures("window")
def test_what_is_no_json_comes_to_an_end(text: bytes) -> None:
    look_at(text)


@pytest.mark.parametrize(
    "text",
    [b"[" * 10_000_000, b"0," * 5_000_000, b'""' * 5_000_000, b"{}," * 3_000_000, b"[" + b'{"a":1},' * 1_000_000],
    ids=["brackets", "commas", "strings", "objects", "members"],
)
def test_a_look_stops_at_the_first_value_too_many(text: bytes) -> None:
    look = Look(text, Ceilings(None, 1_000, 32))
    with pytest.raises(Refusal) as caught:
        look.through()
    assert caught.value.code == "malformed_request"
    assert look.windows_seen == 0  # it got no further than the first


def test_a_string_without_end_is_looked_through_once() -> None:
    text = b'"' + b'\\"' * 2_000_000
    look = look_at(text)
    assert look.windows_seen == -(-len(text) // 16_384)
    assert look.values == 0


def end_in(text: bytes, at: int = 0, ceilings: Ceilings = MANY) -> tuple[int, int]:
    return asyncio.run(end_of_value(text, at, ceilings))


@pytest.mark.parametrize("window_bytes", [2, 3, 7, 16_384])
@given(Json, st.sampled_from([b"", b",1]", b' ,{"a":[]}', b"]"]))
def test_the_end_of_a_value_is_found_wherever_a_window_ends(window_bytes: int, value: object, behind: bytes) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_text, "_WINDOW_BYTES", max(window_bytes, 24) if not isinstance(value, list | dict) else 7)
        text = orjson.dumps(value)
        assert end_in(b"[" + text + behind, 1) == (1 + len(text), counted(value)[0])


@pytest.mark.parametrize("text", [b"[" * 10_000_000, b"[" + b'{"a":1},' * 1_000_000])
def test_a_value_past_a_ceiling_is_not_read_to_its_end(text: bytes) -> None:
    with pytest.raises(Refusal):
        end_in(text, 0, Ceilings(None, 1_000, 32))


@pytest.mark.parametrize("text", [b'["', b'["\\', b"[", b"", b',"', b'"' + b'\\"' * 2_000_000])
def test_a_value_without_an_end_is_odd(text: bytes) -> None:
    with pytest.raises(OddError):
        end_in(text)
