from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from apps.api.body import parse_json, read_json, read_object
from libs import limits
from libs.errors import Refusal

Json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(Json)
def test_every_json_value_is_read_as_it_was_written(value: object) -> None:
    text = orjson.dumps(value)
    assert parse_json(text) == orjson.loads(text)


def refusal_of(text: bytes) -> Refusal:
    with pytest.raises(Refusal) as caught:
        parse_json(text)
    assert caught.value.code == "malformed_request"
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b"{'a':1}",
        b'{"a":1}{"b":2}',
        b'{"a":1}\x00',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        b'{"a":' + b"1" * 5_000 + b"}",
    ],
)
def test_what_is_no_strict_json_is_refused(text: bytes) -> None:
    refusal_of(text)


def test_a_refusal_tells_the_place() -> None:
    assert "line 2 column 5" in refusal_of(b'{"a":1,\n"b":}').detail


@pytest.mark.parametrize(
    "text",
    [b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b'{"x":{"a":":","a":2}}', b'[{"a":1},{"a":1,"b":2,"a":1}]'],
)
def test_a_member_that_is_there_twice_is_refused(text: bytes) -> None:
    assert "'a' is there twice" in refusal_of(text).detail


def test_colons_in_texts_are_no_members() -> None:
    assert parse_json(b'{"a:":":::","b":[":"]}') == {"a:": ":::", "b": [":"]}


@pytest.mark.parametrize("opening, closing", [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_allowed_up_to_the_limit(opening: bytes, closing: bytes) -> None:
    deepest = limits.JSON_DEPTH_MAX
    assert parse_json(opening * deepest + b"1" + closing * deepest)
    assert "nested deeper" in refusal_of(opening * (deepest + 1) + b"1" + closing * (deepest + 1)).detail
    refusal_of(opening * 100_000 + b"1" + closing * 100_000)


def test_very_many_small_values_are_refused_unparsed() -> None:
    assert "more than" in refusal_of(b"[" + b"0," * limits.JSON_VALUES_MAX + b"0]").detail


def request(body: bytes, *headers: tuple[bytes, bytes]) -> Request:
    messages: list[Message] = [
        {"type": "http.request", "body": body[:3], "more_body": True},
        {"type": "http.request", "body": body[3:], "more_body": False},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    return Request({"type": "http", "headers": headers}, receive)


@pytest.mark.parametrize(
    "value",
    [b"application/json", b"Application/JSON", b"application/json; charset=utf-8", b'application/json;charset="UTF-8"'],
)
async def test_json_in_utf8_is_read_in_pieces(value: bytes) -> None:
    assert await read_json(request(b'{"a":1}', (b"content-type", value))) == {"a": 1}


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-type", b"text/plain")],
        [(b"content-type", b"application/x-www-form-urlencoded")],
        [(b"content-type", b"application/json; charset=latin-1")],
        [(b"content-type", b"application/jsonp")],
        [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")],
    ],
)
async def test_any_other_media_type_is_refused_and_the_right_one_told(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Refusal) as caught:
        await read_json(request(b'{"a":1}', *headers))
    assert caught.value.code == "unsupported_media_type"
    assert caught.value.headers == {"Accept-Post": "application/json"}


@pytest.mark.parametrize("body", [b"[]", b"1234", b'"text"', b"null"])
async def test_an_object_is_wanted_and_nothing_else(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        await read_object(request(body, (b"content-type", b"application/json")))
    assert (caught.value.code, caught.value.errors[0]["pointer"]) == ("validation_failed", "#")


async def test_a_client_that_goes_away_is_no_error_of_anyones() -> None:
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        await read_json(Request({"type": "http", "headers": [(b"content-type", b"application/json")]}, gone))


@pytest.mark.parametrize(
    "text", ['{"a":":","a" :2}', '{"a":1,"a"\n:2}', '{"a":"\\":","a":1}', '{"b":{"a":"x:","a" : 1}}']
)
def test_a_colon_in_a_text_or_a_space_before_one_hides_no_member_that_is_there_twice(text: str) -> None:
    with pytest.raises(Refusal, match="there twice"):
        parse_json(text.encode())


@pytest.mark.parametrize("text", ['{"a":"https://b/c","d" : "\\":"}', '{"\\":":1,"b":[{"c":":"}]}'])
def test_colons_in_texts_are_texts(text: str) -> None:
    assert parse_json(text.encode()) == orjson.loads(text)
