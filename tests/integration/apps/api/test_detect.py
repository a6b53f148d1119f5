"""What the API does with a `detect` order before it is admitted: its address is checked, its image is put away."""

from __future__ import annotations

import base64
import io
from typing import Any

import httpx
import pytest
from PIL import Image

from libs.artifacts.uploads import open_upload
from libs.jobs.lookup import load_job
from tests.fakes.api import Api, bearer
from tests.integration.apps.conftest import MakeApi
from tests.servers import RedisServer

ASYNC = {"Prefer": "respond-async"}


def png(width: int = 64, height: int = 64) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((width, height), 50).save(file, "PNG")
    return file.getvalue()


def told(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def detect(api: Api, secret: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    return await api.http.post("/api/v1/detect", json=body, headers=bearer(secret) | ASYNC | headers)


async def test_an_image_in_the_order_becomes_an_upload_of_the_callers(api: Api, valkey: RedisServer) -> None:
    secret, data = await api.key("pro"), png(400, 400)
    answer = await detect(api, secret, {"image": told(data), "language": "de"})
    assert answer.status_code == 202, answer.text
    job = answer.json()
    upload_id = job["input"]["upload"]
    assert job["input"] == {"upload": upload_id, "regions": True, "language": "de", "cache": False}
    store = api.resources.cells.shared
    user_id = (await api.http.get("/api/v1/me", headers=bearer(secret))).json()["id"]
    assert (await load_job(store, user_id, job["id"])).input == job["input"]
    kept = await open_upload(store, api.resources.objects, user_id, upload_id, bytes_max=len(data))
    assert (kept.data, kept.content_type) == (data, "image/png")
    assert await stored_bytes(api) < len(data) / 4, "Redis holds no image"


async def stored_bytes(api: Api) -> int:
    """What all keys of Redis take together."""
    store = api.resources.cells.shared
    return sum([await store.call("MEMORY", "USAGE", key) for key in await store.call("KEYS", "*")])


async def test_a_data_url_is_an_image_too_and_the_envelope_takes_it(api: Api) -> None:
    secret = await api.key("pro")
    body = {"kind": "detect", "input": {"image": f"data:image/png;base64,{told(png())}"}}
    answer = await api.http.post("/api/v1/jobs", json=body, headers=bearer(secret))
    assert answer.status_code == 202, answer.text
    assert answer.json()["input"]["upload"].startswith("upload_")


REFUSED = {
    "no image": ({}, "#", "value_error"),
    "two": ({"image": "AAAA", "image_url": "https://example.com/a.png"}, "#", "value_error"),
    "no base64": ({"image": "not base64!"}, "#/image", "base64"),
    "cut base64": ({"image": "AAA"}, "#/image", "base64"),
    "no picture": ({"image": told(b"hello")}, "#/image", "wrong_type"),
    "a PDF": ({"image": told(b"%PDF-1.7\n")}, "#/image", "wrong_type"),
    "half a head": ({"image": told(png()[:20])}, "#/image", "unreadable"),
    "too many pixels": (
        {"image": told(png()[:16] + b"\0\0\x20\0\0\0\x20\0" + png()[24:])},
        "#/image",
        "too_many_pixels",
    ),
    "too many bytes": ({"image": told(png().ljust(7 * 1024 * 1024 + 1, b"x"))}, "#/image", "too_large"),
    "http": ({"image_url": "http://example.com/a.png"}, "#/image_url", "url_not_allowed"),
    "inside": ({"image_url": "https://169.254.169.254/latest"}, "#/image_url", "url_not_allowed"),
    "octal": ({"image_url": "https://0177.1/"}, "#/image_url", "url_not_allowed"),
    "a port": ({"image_url": "https://example.com:6379/"}, "#/image_url", "url_not_allowed"),
    "a user": ({"image_url": "https://a:b@example.com/"}, "#/image_url", "url_not_allowed"),
    "a file": ({"image_url": "file:///etc/passwd"}, "#/image_url", "url_not_allowed"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_it_is_refused_where_it_is_wrong(name: str, api: Api) -> None:
    body, pointer, code = REFUSED[name]
    answer = await detect(api, await api.key("internal"), body)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)
    assert await api.resources.cells.shared.call("KEYS", "*:upload:*") == []


async def test_an_address_that_an_operator_named_is_taken(make_api: MakeApi) -> None:
    api = await make_api(egress_allowed_hosts="files.internal:9000")
    secret = await api.key("pro")
    assert (await detect(api, secret, {"image_url": "http://files.internal:9000/a"})).status_code == 202
    assert (await detect(api, secret, {"image_url": "http://files.internal/a"})).status_code == 422


async def test_an_image_in_the_order_counts_as_an_upload(api: Api) -> None:
    secret = await api.key("pro", uploads_per_minute=2)
    body = {"image": told(png())}
    assert [(await detect(api, secret, body)).status_code for _ in range(3)] == [202, 202, 429]
    assert (await detect(api, secret, {"image_url": "https://example.com/a.png"})).status_code == 202


async def test_where_uploads_are_switched_off_no_image_comes_in_the_order(make_api: MakeApi) -> None:
    api = await make_api(uploads_enabled=False)
    answer = await detect(api, await api.key("pro"), {"image": told(png())})
    assert (answer.status_code, answer.json()["code"]) == (503, "feature_disabled")


async def test_the_same_order_twice_under_one_key_is_one_job(api: Api) -> None:
    secret, body = await api.key("pro"), {"image": told(png())}
    first, second = [await detect(api, secret, body, **{"Idempotency-Key": "once"}) for _ in range(2)]
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["Idempotent-Replayed"] == "true"


async def test_without_the_object_store_an_order_with_an_image_is_told_to_come_back(make_api: MakeApi) -> None:
    api = await make_api(minio_endpoint="127.0.0.1:9")
    answer = await detect(api, await api.key("pro"), {"image": told(png())})
    assert (answer.status_code, answer.json()["code"]) == (503, "dependency_unavailable")
