"""A batch is refused at the first item that there is no room for, and nothing behind it is read."""

from __future__ import annotations

import asyncio
from codecs import BOM_UTF8
from typing import Any

import orjson
import pytest

from apps.api.orders.order import apply
from tests.fakes.api import Api
from tests.fakes.customers import BATCHES, PICTURE, Customer, customer_of
from tests.fakes.problems import refused
from tests.patience import PATIENCE_S

LINE = orjson.dumps(PICTURE)


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The items that were held against their kind."""
    found: list[Any] = []

    async def counted(request: Any, route: Any, body: Any, envelope: Any, at: Any) -> Any:
        found.append(envelope.input)
        return await apply(request, route, body, envelope, at)

    monkeypatch.setattr("apps.api.batches.order.apply", counted)
    return found


async def file_of(someone: Customer, text: bytes) -> dict[str, Any]:
    return {"kind": "generate", "input_file": await someone.upload(text, "application/jsonl", "items.jsonl")}


async def test_fifty_thousand_lines_with_a_quota_of_ten_are_ten_and_one(api: Api, checked: list[Any]) -> None:
    someone = await customer_of(api, "free")
    answer = await someone.post(BATCHES, await file_of(someone, b"\n".join([LINE] * 50_000)))
    assert refused(answer, 429, "quota_exceeded")["violated-policies"] == ["jobs"]
    assert len(checked) == 11
    assert await api.resources.objects.list(f"{(await someone.me())['id']}/batches/") == ()


async def test_what_is_used_of_the_day_is_no_room(api: Api, checked: list[Any]) -> None:
    someone = await customer_of(api, "free")
    for seed in range(3):
        await someone.job({**PICTURE, "seed": seed})
    refused(await someone.post(BATCHES, await file_of(someone, b"\n".join([LINE] * 100))), 429, "quota_exceeded")
    assert len(checked) == 8
    fits = await someone.post(BATCHES, await file_of(someone, b"\n".join([LINE] * 7)))
    assert (fits.status_code, fits.json()["counts"]["queued"]) == (202, 7), fits.text


async def test_items_that_cost_several_units_are_counted_so(api: Api, checked: list[Any]) -> None:
    someone = await customer_of(api, "pro", units_per_day=10)
    line = orjson.dumps({**PICTURE, "batch_size": 4})
    refused(await someone.post(BATCHES, await file_of(someone, b"\n".join([line] * 40))), 429, "quota_exceeded")
    assert len(checked) == 11  # how many there is room for shows when they are looked at
    fits = await someone.post(BATCHES, await file_of(someone, b"\n".join([line] * 2)))
    assert fits.status_code == 202, fits.text


async def test_items_in_a_body_past_the_quota_are_not_even_counted(api: Api, checked: list[Any]) -> None:
    someone = await customer_of(api, "free")
    answer = await someone.post(BATCHES, {"kind": "generate", "items": [PICTURE] * 5_000})
    assert refused(answer, 429, "quota_exceeded")["violated-policies"] == ["jobs"]
    assert int(answer.headers["retry-after"]) <= 86_400
    assert not checked
    fits = await someone.post(BATCHES, {"kind": "generate", "items": [PICTURE] * 10})
    assert fits.status_code == 202, fits.text


async def test_what_is_wrong_is_told_before_what_there_is_no_room_for(api: Api, checked: list[Any]) -> None:
    someone = await customer_of(api, "free")
    answer = await someone.post(BATCHES, await file_of(someone, b"{}\n" * 50_000))
    assert len(refused(answer, 422, "validation_failed")["errors"]) == 11
    assert len(checked) == 11


async def test_a_file_of_empty_lines_comes_to_an_end(api: Api) -> None:
    someone = await customer_of(api)
    answer = await someone.post(BATCHES, await file_of(someone, b"\n" * 100_001))
    assert "100000 lines" in refused(answer, 422, "validation_failed")["detail"]


async def test_a_byte_order_mark_before_the_first_line_is_no_part_of_it(api: Api) -> None:
    someone = await customer_of(api)
    answer = await someone.post(BATCHES, await file_of(someone, BOM_UTF8 + LINE + b"\n" + LINE))
    assert answer.status_code == 202, answer.text
    answer = await someone.post(BATCHES, await file_of(someone, LINE + b"\n" + BOM_UTF8 + LINE))
    assert refused(answer, 422, "validation_failed")["errors"][0]["line"] == 2


async def test_items_that_are_looked_up_wait_for_no_turn_of_their_own_batch(api: Api) -> None:
    someone = await customer_of(api)
    items = [{"workflow": "nothing", "parameters": {"text": "x" * 1_000}}] * 60
    async with asyncio.timeout(PATIENCE_S):
        answer = await someone.post(BATCHES, {"kind": "workflow", "items": items})
    assert refused(answer, 422, "validation_failed")["errors"][0]["code"] == "unknown_workflow"
