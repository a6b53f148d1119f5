"""The reader of batches takes what the reader of any other body takes, refuses what it refuses, and reads the same."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.api.batches.body import BatchBody, read_batch_body
from apps.api.body import parse_json
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
    return body.members | ({} if body.items_at is None else {"items": list(body.items())})


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
