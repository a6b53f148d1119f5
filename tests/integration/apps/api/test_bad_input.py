"""What is refused as not valid: the pointer says where, the code says why, and it costs nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from libs.store.client import Store
from tests.fakes.api import Api, bearer
from tests.fakes.customers import JOBS, PICTURE, Customer, customer_of
from tests.fakes.problems import pointers, refused

CATALOGUE = {
    "models": ["dreamshaper_8.safetensors", "sd_xl_base_1.0.safetensors"],
    "samplers": ["euler", "euler_ancestral"],
    "schedulers": ["normal", "karras"],
}


@pytest.fixture
async def someone(api: Api) -> Customer:
    return await customer_of(api, "free")


async def publish(store: Store) -> None:
    """What a worker does every half minute."""
    await store.call("SET", store.keys.catalogue + "comfyui", orjson.dumps(CATALOGUE), "EX", 60)


@pytest.mark.parametrize("side", ["width", "height"])
@pytest.mark.parametrize(
    "size, code",
    [
        (63, "multiple_of"),
        (56, "greater_than_equal"),
        (0, "greater_than_equal"),
        (-512, "greater_than_equal"),
        (2056, "less_than_equal"),
        (10**9, "less_than_equal"),
        (10**30, "int_type"),
        (100, "multiple_of"),
        (512.5, "int_type"),
        ("512", "int_type"),
        (True, "int_type"),
        (None, "int_type"),
        ([512], "int_type"),
    ],
)
async def test_a_wrong_size_is_pointed_at(someone: Customer, side: str, size: Any, code: str) -> None:
    assert pointers(await someone.submit({**PICTURE, side: size})) == {f"#/{side}": code}


@pytest.mark.parametrize("prompt", ["", " ", "\n\t ", "\u2003"])
async def test_a_blank_prompt_is_refused(someone: Customer, prompt: str) -> None:
    assert list(pointers(await someone.submit({**PICTURE, "prompt": prompt}))) == ["#/prompt"]


async def test_a_prompt_that_is_missing_or_too_long_is_refused(someone: Customer) -> None:
    assert pointers(await someone.submit({"width": 64})) == {"#/prompt": "required"}
    assert pointers(await someone.submit({})) == {"#/prompt": "required"}
    assert pointers(await someone.submit({"prompt": "x" * 5_001})) == {"#/prompt": "string_too_long"}
    assert (await someone.submit({"prompt": "x" * 5_000})).status_code == 202


@pytest.mark.parametrize(
    "member, value",
    [
        ("steps", 0),
        ("steps", 151),
        ("cfg_scale", 0.9),
        ("cfg_scale", 30.1),
        ("seed", -2),
        ("seed", 2**53),
        ("batch_size", 0),
        ("batch_size", 11),
        ("sampler", ""),
        ("negative_prompt", "x" * 2_001),
    ],
)
async def test_every_number_has_its_bounds(someone: Customer, member: str, value: Any) -> None:
    assert list(pointers(await someone.submit({**PICTURE, member: value}))) == [f"#/{member}"]


async def test_unknown_members_are_pointed_at_in_the_flat_body_the_envelope_and_the_input(someone: Customer) -> None:
    assert pointers(await someone.submit({**PICTURE, "colour": "red"})) == {"#/colour": "unknown_member"}
    order: dict[str, Any] = {"kind": "generate", "input": {**PICTURE, "colour": "red"}}
    assert pointers(await someone.submit(order)) == {"#/input/colour": "unknown_member"}
    assert pointers(await someone.submit({**order, "color": 1})) == {"#/color": "unknown_member"}
    assert pointers(await someone.post("/api/v1/generate", {**PICTURE, "colour": 1})) == {"#/colour": "unknown_member"}


async def test_what_is_wrong_is_told_all_at_once(someone: Customer) -> None:
    body = {"prompt": " ", "width": 65, "height": 4_096, "steps": "20", "shape": "round"}
    assert set(pointers(await someone.submit(body))) == {"#/prompt", "#/width", "#/height", "#/steps", "#/shape"}


@pytest.mark.parametrize(
    "member, value",
    [
        ("priority", 11),
        ("priority", "high"),
        ("run_at", "tomorrow"),
        ("run_at", 1_900_000_000),
        ("run_at", "1900000000"),
        ("run_at", "2030-01-01T00:00:00"),
        pytest.param("run_at", (datetime.now(UTC) + timedelta(days=31)).isoformat(), id="run_at-too far ahead"),
        ("deadline_seconds", 0),
        ("deadline_seconds", 7 * 86_400 + 1),
        ("fairness_key", ""),
        ("fairness_key", "x" * 256),
        ("metadata", []),
        ("metadata", {str(n): n for n in range(51)}),
        ("input", "a lighthouse"),
    ],
)
async def test_an_envelope_that_is_not_valid_is_pointed_at(someone: Customer, member: str, value: Any) -> None:
    body = {"kind": "generate", "input": PICTURE, member: value}
    assert list(pointers(await someone.submit(body))) == [f"#/{member}"]


@pytest.mark.parametrize("kind", ["", "paint", "GENERATE", "x" * 10_000, None, 7])
async def test_an_unknown_kind_is_refused_and_the_known_ones_are_told(someone: Customer, kind: Any) -> None:
    answer = await someone.submit({"kind": kind, "input": PICTURE})
    assert list(pointers(answer)) == ["#/kind"]
    assert len(answer.content) < 2_000
    assert "generate" in answer.json()["detail"] or not isinstance(kind, str)


async def test_what_the_backend_does_not_list_is_refused_and_told_what_it_lists(api: Api, someone: Customer) -> None:
    await publish(api.resources.cells.shared)
    for member, value in (("sampler", "heun"), ("model", "none.ckpt"), ("scheduler", "simple")):
        answer = await someone.submit({**PICTURE, member: value})
        assert pointers(answer) == {f"#/{member}": "not_offered"}
        nested = await someone.submit({"kind": "generate", "input": {**PICTURE, member: value}})
        assert pointers(nested) == {f"#/input/{member}": "not_offered"}
    assert "karras" in answer.json()["detail"]
    assert (await someone.submit({**PICTURE, "sampler": "euler", "scheduler": "karras"})).status_code == 202


async def test_while_nobody_knows_what_the_backend_lists_any_name_is_accepted(someone: Customer) -> None:
    assert (await someone.submit({**PICTURE, "sampler": "heun", "model": "mine.ckpt"})).status_code == 202


async def test_more_pictures_than_the_plan_allows_are_refused_as_not_valid(api: Api, someone: Customer) -> None:
    assert pointers(await someone.submit({**PICTURE, "batch_size": 2})) == {"#/batch_size": "over_plan_ceiling"}
    pro = await customer_of(api, "pro")
    assert (await pro.submit({**PICTURE, "batch_size": 4})).status_code == 202
    body = {"kind": "generate", "input": {**PICTURE, "batch_size": 5}}
    assert pointers(await pro.submit(body)) == {"#/input/batch_size": "over_plan_ceiling"}


@pytest.mark.parametrize("path", [JOBS, "/api/v1/generate"])
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"prompt": "x",}', b'{"prompt":"a","prompt":"b"}', b'{"seed":NaN}', b"\xff\xfe", b"[" * 100_000],
)
async def test_broken_json_is_malformed(api: Api, someone: Customer, path: str, content: bytes) -> None:
    headers = bearer(someone.secret) | {"Content-Type": "application/json"}
    refused(await api.http.post(path, content=content, headers=headers), 400, "malformed_request")


@pytest.mark.parametrize("content", [b"[]", b'"a lighthouse"', b"7", b"null"])
async def test_json_that_is_no_object_is_not_valid(api: Api, someone: Customer, content: bytes) -> None:
    headers = bearer(someone.secret) | {"Content-Type": "application/json"}
    assert list(pointers(await api.http.post(JOBS, content=content, headers=headers))) == ["#"]


async def test_a_form_is_no_json(api: Api, someone: Customer) -> None:
    answer = await api.http.post(JOBS, data={"prompt": "x"}, headers=bearer(someone.secret))
    refused(answer, 415, "unsupported_media_type")
    assert answer.headers["accept-post"] == "application/json"


async def test_eleven_megabytes_are_too_large_declared_or_in_chunks(api: Api, someone: Customer) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"prompt":"'
        for _ in range(11):
            yield b"x" * 1024 * 1024

    headers = bearer(someone.secret) | {"Content-Type": "application/json"}
    whole = b'{"prompt":"' + b"x" * 11 * 1024 * 1024 + b'"}'
    refused(await api.http.post(JOBS, content=whole, headers=headers), 413, "body_too_large")
    refused(await api.http.post(JOBS, content=chunks(), headers=headers), 413, "body_too_large")


async def test_what_is_not_valid_costs_nothing_and_leaves_nothing(api: Api, someone: Customer) -> None:
    before = await someone.me()
    answer = await someone.submit({**PICTURE, "width": 65}, idempotency_key="k")
    assert (answer.headers["x-ratelimit-limit"], answer.headers["x-ratelimit-remaining"]) == ("5", "5")
    after = await someone.me()
    assert after["left"]["units_today"] == before["left"]["units_today"]
    assert after["left"]["submits"] == before["left"]["submits"]
    assert (await someone.get(JOBS)).json()["data"] == []
    store = api.resources.cells.shared
    assert await store.call("KEYS", store.keys.idempotency + "*") == []


async def test_no_refusal_says_more_of_a_body_than_a_few_lines(someone: Customer) -> None:
    answer = await someone.submit({"prompt": "x", **{f"unknown {n}" * 100: n for n in range(1_000)}})
    assert len(pointers(answer)) == 50
    assert len(answer.content) < 20_000
