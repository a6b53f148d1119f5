from __future__ import annotations

from typing import Any

import pytest
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import ANY_KEY, PUBLIC, Route, Table, route
from libs.errors import Refusal, Unavailable
from tests.fakes.callers import make_caller


async def show(request: Request) -> Response:
    return Json(dict(request.path_params))


async def unknown(scope: Scope, receive: Receive, send: Send) -> None:
    raise Refusal("not_found")


def public(path: str, method: Any = "GET", **more: Any) -> Route:
    return route(method, path, show, scope=PUBLIC, bucket=None, **more)


async def call(table: Table, path: str, method: str = "GET", *, caller: Any = None, no_caller: Any = None) -> bytes:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    known = {"arqade.caller": caller, "arqade.no_caller": no_caller}
    await table({"type": "http", "path": path, "method": method, "headers": [], **known}, receive, send)
    return b"".join(message.get("body", b"") for message in sent)


async def refused(table: Table, path: str, method: str = "GET", **found: Any) -> Exception:
    with pytest.raises((Refusal, Unavailable)) as caught:
        await call(table, path, method, **found)
    return caught.value


@pytest.mark.parametrize("path", ["/things/a", "/things/a/", "/things/a//"])
async def test_a_segment_is_found_and_a_trailing_slash_is_of_no_matter(path: str) -> None:
    assert await call(Table([public("/things/{name}")], unknown), path) == b'{"name":"a"}'


async def test_a_plain_path_goes_before_a_pattern() -> None:
    table = Table([public("/things/{name}"), public("/things/all")], unknown)
    assert await call(table, "/things/all") == b"{}"


async def test_an_alias_is_the_same_route() -> None:
    table = Table([public("/health", aliases=["/api/health", "/old/{name}"])], unknown)
    assert await call(table, "/api/health") == b"{}"
    assert await call(table, "/old/x") == b'{"name":"x"}'


@pytest.mark.parametrize("path", ["/things/a/b", "/things/", "/nothing", "//things/a", "", "/things/a\n/x"])
async def test_any_other_path_is_not_ours(path: str) -> None:
    error = await refused(Table([public("/things/{name}")], unknown), path)
    assert isinstance(error, Refusal)
    assert error.code == "not_found"


async def test_405_names_every_method_of_the_path() -> None:
    table = Table([public("/a"), public("/a", "POST"), public("/a", "DELETE")], unknown)
    error = await refused(table, "/a", "PUT")
    assert isinstance(error, Refusal)
    assert (error.code, error.headers) == ("method_not_allowed", {"Allow": "DELETE, GET, HEAD, POST"})


async def test_head_is_answered_by_get() -> None:
    assert await call(Table([public("/a")], unknown), "/a", "HEAD")


async def test_a_route_without_scope_or_bucket_cannot_be_declared() -> None:
    with pytest.raises(TypeError):
        route("GET", "/a", show)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        route("GET", "/a", show, scope="jobs:read")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="no scope"):
        route("GET", "/a", show, scope="jobs:raed", bucket=None)
    with pytest.raises(ValueError, match="nobody to take from"):
        route("GET", "/a", show, scope=PUBLIC, bucket="reads")


async def test_no_two_routes_claim_one_method_of_one_path() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        Table([public("/a"), public("/b", aliases=["/a"])], unknown)


GUARDED = Table(
    [
        route("GET", "/any", show, scope=ANY_KEY, bucket=None),
        route("POST", "/w", show, scope="webhooks:write", bucket=None),
    ],
    unknown,
)


async def test_without_a_credential_a_guarded_route_is_unauthorized() -> None:
    error = await refused(GUARDED, "/any")
    assert isinstance(error, Refusal)
    assert error.code == "unauthorized"


async def test_the_reason_why_there_is_no_caller_is_told() -> None:
    away = Unavailable("redis")
    assert await refused(GUARDED, "/any", no_caller=away) is away


async def test_a_caller_without_the_scope_is_told_which() -> None:
    caller = make_caller()
    assert await call(GUARDED, "/any", caller=caller)
    error = await refused(GUARDED, "/w", "POST", caller=caller)
    assert isinstance(error, Refusal)
    assert (error.code, error.members) == ("insufficient_scope", {"scope": "webhooks:write"})
