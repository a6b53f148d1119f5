from __future__ import annotations

import asyncio

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message

from apps.api.body import parse_json, parse_large, read_json, read_object
from apps.api.json_text import Ceilings
from apps.api.routing import Route
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


async def through_route(text: bytes, takes: Ceilings) -> object:
    route = Route("POST", "/x", no_endpoint, "public", None, takes=takes)
    asked = request(text, (b"content-type", b"application/json"))
    asked.scope["arqade.route"] = route
    return await read_json(asked)


async def no_endpoint(_request: object) -> Response:
    raise AssertionError


@pytest.mark.parametrize("padding", [0, limits.BODY_SMALL_BYTES_MAX], ids=["small", "large"])
async def test_a_route_takes_as_many_values_as_it_says_and_no_more(padding: int) -> None:
    def body(values: int) -> bytes:
        return b"[" + b"1," * (values - 1) + b"1]" + b" " * padding

    assert await through_route(body(10), Ceilings(None, 10)) == [1] * 10
    with pytest.raises(Refusal, match="more than 10 values"):
        await through_route(body(11), Ceilings(None, 10))


async def test_no_tree_is_built_of_what_is_past_a_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_text: bytes) -> None:
        raise AssertionError

    monkeypatch.setattr("apps.api.body.orjson.loads", never)
    for text in (b"[" * 1_000_000, b"[" + b"0," * 400_000 + b"0]", b'{"a":' * 40 + b" " * 20_000):
        with pytest.raises(Refusal):
            await through_route(text, Ceilings(None, 50_000))


async def test_others_get_their_turn_while_a_large_body_is_looked_through() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    waiting = asyncio.create_task(others())
    await parse_large(orjson.dumps({"text": "x" * 1_000_000}), Ceilings())
    waiting.cancel()
    assert turns >= 1_000_000 // limits.BODY_SMALL_BYTES_MAX


@pytest.mark.parametrize("twice", ['{"a":1,"a":2}', '{"b":{"a":1,"\\u0061":2}}', '[{"a":":"},{"a":":","a":1}]'])
async def test_a_member_that_is_twice_in_a_large_body_is_refused_too(twice: str) -> None:
    with pytest.raises(Refusal, match="there twice"):
        await parse_large(f'[{twice},"{"x" * 20_000}"]'.encode(), Ceilings())
    assert await parse_large(f'[{{"a":":","b":1}},"{"x" * 20_000}"]'.encode(), Ceilings()) == [
        {"a": ":", "b": 1},
        "x" * 20_000,
    ]
