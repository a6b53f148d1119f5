"""API2:2023 Broken authentication.

Proven elsewhere: one answer for unknown, expired and revoked keys, and garbage that never reaches Redis
(apps/api/test_access.py); revocation within a second, streams included (test_revocation.py); rotation, networks and
peppers (test_keys.py); bad keys of an address slowed and refused, good ones let in (test_failing_senders.py). Here: no
route that is in the table answers without a key, and whoever guesses cannot tell a near miss from nonsense.
"""

from __future__ import annotations

import base64

import httpx
import pytest

from apps.api.routes import ROUTES
from apps.api.routing import PUBLIC, Route
from libs.access.api_key import mint
from tests.fakes.api import Api, bearer
from tests.integration.owasp.two_users import pair_of

#: The one route that the world may write to: it takes a token of ours, and wakes a job.
CALLBACK = "/callbacks/{token}"
#: All that the world may see. A route that joins it does so here, on purpose.
OPEN = {"/ping", "/health", "/ready", "/metrics", "/docs/errors", "/openapi.json", "/docs"}
GUARDED = [route for route in ROUTES if route.scope != PUBLIC]


def test_the_public_routes_are_these_and_only_read() -> None:
    public = [route for route in ROUTES if route.scope == PUBLIC and route.path != CALLBACK]
    assert {route.path for route in public} <= OPEN
    assert {route.method for route in public} == {"GET"}


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: f"{route.method} {route.path}")
async def test_a_guarded_route_enforces_it_whatever_else_is_sent(api: Api, route: Route) -> None:
    secret = await api.key()
    near = secret[:-1] + ("a" if secret[-1] != "a" else "b")
    basic = base64.b64encode(f"{secret}:".encode()).decode()
    tries: list[dict[str, str]] = [
        {},
        bearer(near),
        bearer(mint()),
        bearer(mint(admin=True)),
        {"Authorization": f"Basic {basic}"},
        {"Cookie": f"api_key={secret}; Authorization=Bearer {secret}"},
        {"X-User-Id": "usr_1", "X-Forwarded-User": "admin", "X-Original-URL": "/ping"},
    ]
    for path in (route.path, *route.aliases):
        for headers in tries:
            answer = await api.http.request(route.method, path, json={}, headers=headers)
            assert answer.status_code in (400, 401), f"{headers} {answer.text}"
            assert "www-authenticate" in answer.headers
        assert (await api.http.request(route.method, f"{path}?api_key={secret}", json={})).status_code == 401


async def test_a_near_miss_and_nonsense_are_answered_alike(api: Api) -> None:
    secret = await api.key()
    asked = [secret[:-1] + "_", secret.swapcase(), secret + "0", mint(), "nonsense"]
    answers = [
        await api.http.get("/api/v1/me", headers=bearer(each) | {"x-request-id": "the-same-id"}) for each in asked
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(401, answers[0].content)}


async def test_no_user_can_mint_a_key(api: Api) -> None:
    pair = await pair_of(api)
    for who in (pair.owner, pair.other):
        body = {"user_id": (await pair.owner.me())["id"], "name": "mine"}
        answer: httpx.Response = await who.post("/admin/api-keys", body)
        assert answer.status_code == 403
