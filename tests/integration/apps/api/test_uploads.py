"""Uploads over HTTP: in one piece, in parts, discarded, and within what a plan lets a user store."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pypdfium2

from tests.fakes.api import Api
from tests.fakes.customers import Customer, customer_of
from tests.fakes.problems import pointers, refused
from tests.patience import PATIENCE_S

UPLOADS = "/api/v1/uploads"
FILE = {"filename": "items.jsonl", "content_type": "application/jsonl", "size_bytes": 3}


async def announced(someone: Customer, **members: Any) -> dict[str, Any]:
    answer = await someone.post(UPLOADS, FILE | members)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def send(made: dict[str, Any], data: bytes) -> None:
    """As the answer says: the bytes by its method to its URL, with its headers."""
    async with httpx.AsyncClient(timeout=PATIENCE_S) as outside:
        url = made["url"] or made["part_urls"][0]
        sent = await outside.request(made["method"], url, content=data, headers=made["headers"])
        assert sent.status_code == 200, sent.text


async def test_one_piece_has_one_url_and_parts_have_one_each(api: Api) -> None:
    someone = await customer_of(api)
    whole = await announced(someone)
    assert (whole["method"], whole["part_bytes"], whole["part_urls"]) == ("PUT", None, None)
    assert whole["headers"] == {"Content-Type": "application/jsonl", "Content-Length": "3"}
    parts = await announced(someone, multipart=True, size_bytes=20 * 2**20)
    assert (parts["url"], parts["part_bytes"], len(parts["part_urls"])) == (None, 8 * 2**20, 3)
    assert parts["headers"] == {"Content-Type": "application/jsonl"}, "each part has a length of its own"
    small = await announced(someone, multipart=True)
    refused(await someone.post(small["links"]["complete"]), 409, "conflict")
    await send(small, b"{}\n")
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
    await send(good, b"{}\n")
    await send(bad, b"\0\1\2")
    for _ in range(2):
        await someone.post(good["links"]["complete"])
        await someone.post(bad["links"]["complete"])
    await someone.delete(gone["links"]["self"])
    shown = (await api.http.get("/metrics")).text
    for status, count in {"created": 3, "completed": 1, "refused": 1, "deleted": 1}.items():
        assert f'arqade_uploads_total{{status="{status}"}} {count}.0' in shown
    assert "arqade_stored_bytes 3.0" in shown


def pdf(pages: int) -> bytes:
    document = pypdfium2.PdfDocument.new()
    for _ in range(pages):
        document.new_page(200, 300)
    kept = io.BytesIO()
    document.save(kept)
    return kept.getvalue()


async def paper(someone: Customer, data: bytes) -> httpx.Response:
    made = await announced(someone, filename="a.pdf", content_type="application/pdf", size_bytes=len(data))
    await send(made, data)
    return await someone.post(made["links"]["complete"])


async def test_an_ocr_job_costs_the_pages_that_its_file_has(api: Api) -> None:
    someone = await customer_of(api, "free", units_per_day=4)
    completed = (await paper(someone, pdf(3))).json()
    assert completed["page_count"] == 3
    job = await someone.job({"kind": "ocr", "input": {"upload": completed["id"]}})
    assert job["usage"]["units"] == 3
    assert (await someone.me())["left"]["units_today"] == 1
    other = (await paper(someone, pdf(2))).json()
    refused(await someone.submit({"kind": "ocr", "input": {"upload": other["id"]}}), 429, "quota_exceeded")


async def test_a_file_with_too_many_pages_is_refused_where_it_is_named_and_one_that_is_none_at_once(api: Api) -> None:
    someone = await customer_of(api)
    long = (await paper(someone, pdf(101))).json()
    answer = await someone.submit({"kind": "ocr", "input": {"upload": long["id"]}})
    assert pointers(answer) == {"#/input/upload": "too_many_pages"}
    assert pointers(await someone.post("/api/v1/ocr", {"upload": long["id"]})) == {"#/upload": "too_many_pages"}
    assert pointers(await paper(someone, b"%PDF-1.7\n" + b"x" * 99)) == {"#": "unreadable"}
    just = (await paper(someone, pdf(100))).json()
    assert (await someone.job({"kind": "ocr", "input": {"upload": just["id"]}}))["usage"]["units"] == 100
