"""The document and the page that shows it, as they are served: to everyone, once."""

from __future__ import annotations

import pytest
from openapi_spec_validator import validate

from tests.fakes.api import Api


async def test_the_document_is_served_to_everyone(api: Api) -> None:
    answer = await api.http.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    validate(answer.json())


async def test_the_page_may_fetch_and_run_nothing(api: Api) -> None:
    answer = await api.http.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
async def test_who_has_it_gets_it_no_second_time(api: Api, path: str) -> None:
    etag = (await api.http.get(path)).headers["etag"]
    again = await api.http.get(path, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert (await api.http.get(path, headers={"If-None-Match": '"other"'})).status_code == 200
