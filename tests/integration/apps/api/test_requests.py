"""What is refused before any resource is asked, and what every answer carries."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from libs.errors import CATALOGUE
from tests.fakes.api import Api, bearer
from tests.integration.apps.api.conftest import MakeApi

USERS = "/admin/users"
EVERYWHERE = ("x-request-id", "api-version", "cache-control", "x-content-type-options", "referrer-policy")


def check_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"], body["status"]) == (status, code, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["type"].endswith(f"#{code}")
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["title"] == CATALOGUE[code].title
    for name in EVERYWHERE:
        assert name in answer.headers
    assert "server" not in answer.headers
    return body


async def post(api: Api, content: bytes | AsyncIterator[bytes], media_type: str | None = "application/json") -> Any:
    headers = await api.admin()
    if media_type is not None:
        headers["Content-Type"] = media_type
    return await api.http.post(USERS, content=content, headers=headers)


async def test_an_unknown_address_is_a_problem(api: Api) -> None:
    check_problem(await api.http.get("/nowhere"), 404, "not_found")
    check_problem(await api.http.get("/"), 404, "not_found")


async def test_a_method_that_is_not_offered_is_told_those_that_are(api: Api) -> None:
    answer = await api.http.put(USERS)
    check_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"a":1,"a":2}', b'{"a":NaN}', b"\xff", b"[" * 10_000, b'{"a":"\x00"}']
)
async def test_broken_json_is_malformed(api: Api, content: bytes) -> None:
    body = check_problem(await post(api, content), 400, "malformed_request")
    assert body["detail"]


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/xml"])
async def test_any_media_type_but_json_is_refused(api: Api, media_type: str | None) -> None:
    answer = await post(api, b"{}", media_type)
    check_problem(answer, 415, "unsupported_media_type")
    assert answer.headers["accept-post"] == "application/json"


async def test_eleven_megabytes_are_too_large(api: Api) -> None:
    check_problem(await post(api, b'"' + b"x" * 11 * 1024 * 1024 + b'"'), 413, "body_too_large")


async def test_eleven_megabytes_in_chunks_are_too_large(api: Api) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield bytes(1024 * 1024)

    check_problem(await post(api, chunks()), 413, "body_too_large")


async def test_a_length_that_lies_is_malformed(api: Api) -> None:
    headers = await api.admin() | {"Content-Type": "application/json", "Content-Length": "3"}
    check_problem(await api.http.post(USERS, content=b'{"a":1}', headers=headers), 400, "malformed_request")


async def test_each_wrong_member_is_pointed_at(api: Api) -> None:
    answer = await post(api, b'{"email":7,"role":"free","colour":"red"}')
    body = check_problem(answer, 422, "validation_failed")
    assert {(error["pointer"], error["code"]) for error in body["errors"]} == {
        ("#/email", "string_type"),
        ("#/colour", "unknown_member"),
    }


async def test_an_array_is_no_object(api: Api) -> None:
    body = check_problem(await post(api, b"[]"), 422, "validation_failed")
    assert body["errors"][0]["pointer"] == "#"


@pytest.mark.parametrize("cursor", ["nonsense", "AAAA", "%00", "x" * 5_000, ""])
async def test_a_bad_cursor_is_malformed(api: Api, cursor: str) -> None:
    answer = await api.http.get(USERS, params={"cursor": cursor}, headers=await api.admin())
    check_problem(answer, 400, "malformed_request")


@pytest.mark.parametrize("limit", ["0", "101", "-1", "ten", "", "1.5", "٣", "9" * 5_000])
async def test_a_bad_limit_is_not_valid(api: Api, limit: str) -> None:
    answer = await api.http.get(USERS, params={"limit": limit}, headers=await api.admin())
    assert check_problem(answer, 422, "validation_failed")["errors"][0]["parameter"] == "limit"


async def test_a_bug_tells_nothing_and_is_logged(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a text of ours")

    monkeypatch.setattr("apps.api.routes.admin.users.list_users", broken)
    answer = await api.http.get(USERS, headers=await api.admin())
    check_problem(answer, 500, "internal")
    assert "a text of ours" not in answer.text
    assert "a text of ours" in caplog.text


# The headers of every answer


async def test_a_request_id_is_made_or_taken_over(api: Api) -> None:
    assert re.fullmatch(r"req_[0-9a-f]{32}", (await api.http.get("/ping")).headers["x-request-id"])
    told = await api.http.get("/ping", headers={"x-request-id": "My.request-id_1"})
    assert told.headers["x-request-id"] == "My.request-id_1"


@pytest.mark.parametrize("given", ["short", "x" * 129, "with spaces in it", "semi;colon", "ümlaut-here"])
async def test_a_request_id_that_we_would_not_make_is_replaced(api: Api, given: str) -> None:
    answer = await api.http.get("/ping", headers=[(b"x-request-id", given.encode())])
    assert answer.headers["x-request-id"].startswith("req_")


async def test_answers_are_not_to_be_stored_sniffed_or_referred(api: Api) -> None:
    headers = (await api.http.get("/ping")).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["api-version"] == "1.0.0"
    assert "strict-transport-security" not in headers


async def test_over_tls_browsers_are_told_to_stay_there(api: Api) -> None:
    answer = await api.http.get("https://arqade.test/ping")
    assert "max-age" in answer.headers["strict-transport-security"]


@pytest.mark.parametrize(
    "method, path", [("GET", "/health"), ("GET", "/ping"), ("GET", "/nowhere"), ("PUT", "/api/v1/me"), ("POST", USERS)]
)
async def test_a_valid_key_sees_its_rates_on_every_answer_and_spends_nothing_on_these(
    api: Api, method: str, path: str
) -> None:
    secret = await api.key()
    for _ in range(2):
        headers = (await api.http.request(method, path, headers=bearer(secret))).headers
        assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("120", "120")
        assert headers["ratelimit-policy"] == '"reads";q=120;w=60'
        assert headers["ratelimit"] == '"reads";r=120;t=0'


async def test_a_read_spends_one_token(api: Api) -> None:
    secret = await api.key()
    left = [
        (await api.http.get("/api/v1/me", headers=bearer(secret))).headers["x-ratelimit-remaining"] for _ in range(3)
    ]
    assert left == ["119", "118", "117"]


async def test_nobody_else_sees_rates(api: Api) -> None:
    for headers in ({}, {"x-api-key": "garbage"}):
        for path in ("/ping", "/api/v1/me", "/nowhere"):
            found = (await api.http.get(path, headers=headers)).headers
            assert not [name for name in found if "ratelimit" in name]


async def test_an_empty_bucket_refuses_and_says_until_when(api: Api) -> None:
    secret = await api.key(reads_per_minute=1)
    assert (await api.http.get("/api/v1/me", headers=bearer(secret))).status_code == 200
    answer = await api.http.get("/api/v1/me", headers=bearer(secret))
    body = check_problem(answer, 429, "rate_limited")
    assert body["violated-policies"] == ["reads"]
    assert body["retryable"] is True
    assert 55 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["x-ratelimit-remaining"] == "0"


async def test_without_rate_limits_there_are_no_rates(make_api: MakeApi) -> None:
    api = await make_api(rate_limit_enabled=False)
    secret = await api.key(reads_per_minute=1)
    for _ in range(3):
        answer = await api.http.get("/api/v1/me", headers=bearer(secret))
        assert answer.status_code == 200
        assert "x-ratelimit-limit" not in answer.headers


async def test_pages_of_other_origins_are_let_in_only_when_named(make_api: MakeApi) -> None:
    closed, opened = await make_api(), await make_api(cors_origins=("https://app.example.com",))
    ask = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in (await closed.http.options(USERS, headers=ask)).headers
    answer = await opened.http.options(USERS, headers=ask)
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "x-request-id" in answer.headers
    other = await opened.http.get("/ping", headers={"Origin": "https://evil.example.com"})
    assert "access-control-allow-origin" not in other.headers


async def test_the_access_log_tells_no_path_and_no_secret(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    secret = await api.key()
    caplog.set_level("DEBUG")
    await api.http.get("/api/v1/kinds/canary?q=canary", headers=bearer(secret))
    await api.http.get("/canary?canary=1")
    lines = [record for record in caplog.records if record.name == "arqade.access"]
    assert [record.getMessage() for record in lines] == ["GET /api/v1/kinds/{kind} 404", "any none 404"]
    assert "canary" not in str([vars(record) for record in lines])
    assert vars(lines[0])["members"]["user"].startswith("usr_")
    assert secret not in str([vars(record) for record in caplog.records])


async def test_metrics_count_by_template_and_not_by_path(api: Api) -> None:
    for n in range(5):
        await api.http.get(f"/nowhere/{n}")
        await api.http.get(f"/api/v1/kinds/{n}")
    text = (await api.http.get("/metrics")).text
    assert 'arqade_http_requests_total{method="any",route="none",status="404"} 5.0' in text
    assert 'arqade_http_requests_total{method="GET",route="/api/v1/kinds/{kind}",status="401"} 5.0' in text
    assert 'arqade_refusals_total{code="unauthorized"} 5.0' in text
    assert 'arqade_queue_jobs{band="ready",queue="gpu"} 0.0' in text
