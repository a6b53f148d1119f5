"""The reader of batches takes what the reader of any other body takes, refuses what it refuses, and reads the same."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NoReturn

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.api.batches.body import BatchBody, read_batch_body
from apps.api.body import parse_json
from apps.api.json_text import Ceilings
from libs import limits
from libs.errors import Refusal

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e300, 1e300) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
BODIES = st.dictionaries(st.sampled_from(["items", "kind", "a", '"', "{"]) | st.text(max_size=3), VALUES, max_size=5)


def read(text: bytes) -> BatchBody:
    return asyncio.run(read_batch_body(text))


def as_value(body: BatchBody) -> dict[str, Any]:
    return body.members | ({} if body.spans is None else {"items": [value for value, _ in body.items()]})


@given(BODIES, st.sampled_from([None, 1, "\t"]))
def test_what_is_read_is_what_was_sent(value: dict[str, Any], indent: Any) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=indent is None).encode()
    body = read(text)
    assert as_value(body) == orjson.loads(text)
    assert body.items_count == (len(value["items"]) if isinstance(value.get("items"), list) else 0)


@given(BODIES)
def test_the_digest_is_of_what_is_said_and_not_of_how(value: dict[str, Any]) -> None:
    turned = dict(reversed(value.items()))
    assert read(json.dumps(value).encode()).digest == read(json.dumps(turned, indent=2).encode()).digest
    assert read(json.dumps(value | {"z": 1, "items": [1]}).encode()).digest != read(json.dumps(value).encode()).digest


TEXTS = st.text(alphabet='{}[]",:\\ 1eNn\n', max_size=24) | st.binary(max_size=12).map(
    lambda data: data.decode("latin-1")
)


@given(TEXTS)
@example('{"items":[{}')
@example('{"items":[1,]}')
@example('{"items":[1 2]}')
@example('{"items":[}]}')
@example('{"items":["]}')
@example('{"items":[1],"items":[2]}')
@example('{"items":[{"a":1,"a":2}]}')
@example('{"it\\u0065ms":[1]}')
@example('{"items":[NaN]}')
@example('{"a":1,}')
@example('{"a":1}}')
@example('{"a":1}x')
@example('{"a":[[]}')
@example("")
@example("[]")
@example("{,}")
def test_whatever_is_sent_both_readers_agree(text: str) -> None:
    data = text.encode()
    try:
        expected = parse_json(data)
    except Refusal:
        expected = None
    if isinstance(expected, dict):
        assert as_value(read(data)) == expected
    else:
        with pytest.raises(Refusal) as refused:
            read(data)
        assert refused.value.code in ("malformed_request", "validation_failed")


def test_one_item_too_many_is_refused_and_the_last_one_is_not() -> None:
    fits = b'{"items":[' + b",".join([b"{}"] * limits.BATCH_ITEMS_MAX) + b"]}"
    assert read(fits).items_count == limits.BATCH_ITEMS_MAX
    with pytest.raises(Refusal, match="at most 50000 items"):
        read(fits.replace(b"[{}", b"[{},{}"))


def test_no_more_items_are_parsed_than_a_caller_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []

    def count(text: bytes, ceilings: Ceilings) -> Any:
        parsed.append(text)
        return parse_json(text, ceilings)

    def too_many(count: int) -> NoReturn:
        raise Refusal("quota_exceeded", str(count))

    monkeypatch.setattr("apps.api.batches.body.parse_json", count)
    text = b'{"items":[' + b",".join([b'{"prompt":"x"}'] * 50_000) + b'],"kind":"generate"}'
    with pytest.raises(Refusal, match="11") as caught:
        asyncio.run(read_batch_body(text, items_max=10, too_many=too_many))
    assert (caught.value.code, len(parsed)) == ("quota_exceeded", 10)


@pytest.mark.parametrize("items", [b"[" * 10_000_000, b'{"a":' * 1_000_000, b'{"a":[' + b"1," * 1_000_000])
def test_an_item_past_the_ceilings_of_an_order_is_not_parsed(items: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.api.batches.body.orjson.loads", lambda text: str(text[1:-1], "ascii"))
    with pytest.raises(Refusal, match=r"nested deeper|more than"):
        read(b'{"items":[' + items)


def test_all_items_together_have_no_more_values_than_a_body() -> None:
    item = b"[" + b"1," * 9_999 + b"1]"
    fits = limits.JSON_VALUES_MAX // 10_000
    assert read(b'{"items":[' + b",".join([item] * fits) + b"]}").items_count == fits
    with pytest.raises(Refusal, match="more than 500000 values"):
        read(b'{"items":[' + b",".join([item] * (fits + 1)) + b"]}")
