"""The rule that lets browsers PUT: they may send the headers that are signed with a URL."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5

import pytest

from libs.artifacts.objects import Objects
from tests.fakes.lying_store import Request, answer, error, lying_store


@pytest.mark.parametrize("present", [b"<CORSConfiguration><CORSRule/></CORSConfiguration>", b""])
async def test_the_rule_is_made_where_there_is_none(present: bytes) -> None:
    sent: list[Request] = []

    def put(request: Request) -> bytes:
        sent.append(request)
        return answer("200 OK")

    async with lying_store() as store:
        store.say["HEAD"] = lambda _: answer("200 OK")
        none = error("404 Not Found", "NoSuchCORSConfiguration")
        store.say["GET"] = lambda _: answer("200 OK", present.replace(b"/>", b"></CORSRule>")) if present else none
        store.say["PUT"] = put
        objects = Objects(store.endpoint, "access", "secret", "arqade", browser_origins=["https://app.example.com"])
        await objects.open()
        objects.close()
    if present:
        assert sent == []
        return
    (request,) = sent
    assert request.path == "/arqade?cors="
    for words in ("<AllowedOrigin>https://app.example.com<", "<AllowedMethod>PUT<", "<AllowedHeader>*<"):
        assert words.encode() in request.body
    assert request.headers["content-md5"] == b64encode(md5(request.body, usedforsecurity=False).digest()).decode()
