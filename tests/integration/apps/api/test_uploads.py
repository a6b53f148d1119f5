"""Uploads over HTTP: in one piece, in parts, discarded, and within what a plan lets a user store."""

from __future__ import annotations

from typing import Any

import httpx

from tests.fakes.api import Api
from tests.fakes.customers import Customer, customer_of
from tests.fakes.problems import refused

UPLOADS = "/api/v1/uploads"
FILE = {"filename": "items.jsonl", "content_type": "application/jsonl", "size_bytes": 3}


async def announced(someone: Customer, **members: Any) -> dict[str, Any]:
    answer = await someone.post(UPLOADS, FILE | members)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def send(url: str, data: bytes) -> None:
    async with httpx.AsyncClient() as outside:
        assert (await outside.put(url, content=data)).status_code == 200


async def test_one_piece_has_one_url_and_parts_have_one_each(api: Api) -> None:
    someone = await customer_of(api)
    whole = await announced(someone)
    assert (whole["method"], whole["part_bytes"], whole["part_urls"]) == ("PUT", None, None)
    parts = await announced(someone, multipart=True, size_bytes=20 * 2**20)
    assert (parts["url"], parts["part_bytes"], len(parts["part_urls"])) == (None, 8 * 2**20, 3)
    small = await announced(someone, multipart=True)
    refused(await someone.post(small["links"]["complete"]), 409, "conflict")
    await send(small["part_urls"][0], b"{}\n")
    assert (await someone.post(small["links"]["complete"])).json()["status"] == "completed"


async def test_a_discarded_upload_makes_room_and_no_job_takes_it(api: Api) -> None:
    someone = await customer_of(api, stored_bytes_max=5)
    made = await announced(someone)
    assert (await someone.me())["left"]["stored_bytes"] == 2
    problem = refused(await someone.post(UPLOADS, FILE), 429, "storage_exceeded")
    assert problem["violated-policies"] == ["storage"]
    for _ in range(2):
        assert (await someone.delete(made["links"]["self"])).status_code == 204
    assert (await someone.get(made["links"]["self"])).json()["status"] == "expired"
    assert (await someone.me())["left"]["stored_bytes"] == 5
    refused(await someone.post("/api/v1/ocr", {"upload": made["id"]}), 422, "validation_failed")
    await announced(someone)


async def test_uploads_are_counted_by_what_became_of_them(api: Api) -> None:
    someone = await customer_of(api)
    good, bad, gone = [await announced(someone) for _ in range(3)]
    await send(good["url"], b"{}\n")
    await send(bad["url"], b"{}")
    for _ in range(2):
        await someone.post(good["links"]["complete"])
        await someone.post(bad["links"]["complete"])
    await someone.delete(gone["links"]["self"])
    shown = (await api.http.get("/metrics")).text
    for status, count in {"created": 3, "completed": 1, "refused": 1, "deleted": 1}.items():
        assert f'arqade_uploads_total{{status="{status}"}} {count}.0' in shown
    assert "arqade_stored_bytes 3.0" in shown
