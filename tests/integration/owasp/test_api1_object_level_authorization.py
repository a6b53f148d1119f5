"""API1:2023 Broken object level authorization.

Proven elsewhere: another's job answers like none, byte for byte (apps/api/test_whose_job.py); the matrix of routes and
callers (apps/api/test_access_matrix.py). Here: every route that is, or ever will be, in the table and holds an id, with
every verb; cursors, streams, sockets, stream tokens and idempotency keys of another; and what the owner is told by a
request header, which is nothing: the service that this one replaces believed such a header.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from apps.api.lists.queries import PageQuery
from apps.api.lists.seal import Seal
from apps.api.main import build
from apps.api.routes import ROUTES
from apps.api.routing import Route
from libs.kinds import KINDS
from tests.fakes.api import PEPPER, Api, bearer
from tests.fakes.customers import JOBS, PICTURE
from tests.fakes.live import serving
from tests.fakes.problems import refused
from tests.integration.owasp.two_users import FILE, Pair, identified, pair_of
from tests.patience import PATIENCE_S

WITH_AN_ID = [route for route in ROUTES if identified(route)]
PAGES = [route for route in ROUTES if route.method == "GET" and not route.path.startswith("/admin")]
#: Whose word about the caller must not count; the replaced service took the first for the owner of a job.
CLAIMS = ("x-user-id", "x-user", "x-owner", "x-forwarded-user", "x-api-key-id", "x-tenant-id", "x-role")
SOCKET_NOT_FOUND, SOCKET_NO_CREDENTIAL = 4404, 4401


@pytest.fixture
async def pair(api: Api) -> Pair:
    return await pair_of(api)


@pytest.fixture
async def url(api: Api) -> AsyncIterator[str]:
    async with serving(build(api.resources)) as served:
        yield served


@pytest.mark.parametrize("route", WITH_AN_ID, ids=lambda route: f"{route.method} {route.path}")
async def test_no_route_with_an_id_gives_another_anything(api: Api, pair: Pair, route: Route) -> None:
    before = await pair.owner.look(pair.things[JOBS]["id"])
    for verb in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
        answer = await api.http.request(verb, pair.path_to(route), json={}, headers=bearer(pair.other.secret))
        allowed = (403, 405) if route.scope == "admin" else (404, 405)
        assert answer.status_code in allowed, f"{verb} {answer.text}"
        assert verb != route.method or answer.status_code == allowed[0]
        assert pair.things[JOBS]["id"] not in answer.text
    assert await pair.owner.look(pair.things[JOBS]["id"]) == before


@pytest.mark.parametrize("route", PAGES, ids=lambda route: route.path)
async def test_what_has_no_id_tells_the_callers_own_and_nothing_of_another(api: Api, pair: Pair, route: Route) -> None:
    if "{" in route.path:
        return
    answer = await api.http.get(route.path, headers=bearer(pair.other.secret))
    assert answer.status_code in (200, 302, 503), answer.text
    things = {value for named in pair.things.values() for value in named.values() if "_" in value}
    assert not [thing for thing in things if thing in answer.text]


async def test_a_claim_in_a_header_changes_no_owner(api: Api, pair: Pair) -> None:
    owner = await pair.owner.me()
    for claim in CLAIMS:
        headers = bearer(pair.other.secret) | {claim: owner["id"]}
        assert (await api.http.get("/api/v1/me", headers=headers)).json()["id"] != owner["id"]
        refused(await api.http.get(f"{JOBS}/{pair.things[JOBS]['id']}", headers=headers), 404, "not_found")
        job = (await api.http.post(JOBS, json=PICTURE, headers=headers)).json()
        assert (await pair.owner.get(f"{JOBS}/{job['id']}")).status_code == 404
        assert (await pair.other.look(job["id"]))["id"] == job["id"]


async def test_a_claim_in_the_body_is_no_member(pair: Pair) -> None:
    for claim in ("user_id", "user", "owner", "plan"):
        refused(await pair.other.submit({**PICTURE, claim: (await pair.owner.me())["id"]}), 422, "validation_failed")


async def test_a_cursor_of_another_opens_nothing(pair: Pair) -> None:
    await pair.owner.job()
    cursor = (await pair.owner.get(f"{JOBS}?limit=1")).json()["next_cursor"]
    refused(await pair.other.get(f"{JOBS}?cursor={cursor}"), 400, "malformed_request")


async def test_an_idempotency_key_is_its_users_own(pair: Pair) -> None:
    first = await pair.owner.job(idempotency_key="the-same")
    answer = await pair.other.submit(idempotency_key="the-same")
    assert answer.json()["id"] != first["id"]
    assert "idempotent-replayed" not in answer.headers
    assert (await pair.other.submit({**PICTURE, "seed": 8}, idempotency_key="another")).status_code == 202


async def test_no_token_is_made_for_the_stream_of_another_and_one_opens_one_job(api: Api, pair: Pair) -> None:
    job_id = pair.things[JOBS]["id"]
    refused(await pair.other.post("/api/v1/stream-tokens", {"job_id": job_id}), 404, "not_found")
    own = await pair.other.job()
    token = (await pair.other.post("/api/v1/stream-tokens", {"job_id": own["id"]})).json()["token"]
    refused(await api.http.get(f"{JOBS}/{job_id}/events?token={token}"), 401, "unauthorized")
    refused(await api.http.get(f"{JOBS}/{own['id']}?token={token}"), 401, "unauthorized")
    both = await api.http.get(f"{JOBS}/{own['id']}/events?token={token}", headers=bearer(pair.other.secret))
    refused(both, 400, "invalid_request")


async def test_a_socket_on_the_job_of_another_is_closed_before_a_word(pair: Pair, url: str) -> None:
    job_id = pair.things[JOBS]["id"]
    address = f"{url.replace('http', 'ws')}/ws/jobs/{job_id}"
    assert await closed(address, bearer(pair.other.secret)) == SOCKET_NOT_FOUND
    own = await pair.other.job()
    token = (await pair.other.post("/api/v1/stream-tokens", {"job_id": own["id"]})).json()["token"]
    assert await closed(f"{address}?token={token}", {}) == SOCKET_NO_CREDENTIAL
    async with connect(address, additional_headers=bearer(pair.owner.secret)) as socket:
        assert json.loads(await asyncio.wait_for(socket.recv(), PATIENCE_S))["type"] == "snapshot"


async def closed(address: str, headers: dict[str, str]) -> int | None:
    """The code of a socket that says nothing."""
    async with connect(address, additional_headers=headers) as socket:
        with pytest.raises(ConnectionClosed) as ended:
            await asyncio.wait_for(socket.recv(), PATIENCE_S)
    return None if ended.value.rcvd is None else ended.value.rcvd.code


def names_an_upload(member: Mapping[str, Any]) -> bool:
    return "^upload_" in str(member)


UPLOADS = [
    (kind.name, member)
    for kind in KINDS.values()
    for member, schema in kind.input.model_json_schema()["properties"].items()
    if names_an_upload(schema)
]
#: What an order of each kind needs besides; a kind that is not here has to be put here.
BESIDES: Mapping[str, Mapping[str, Any]] = {"generate": PICTURE, "ocr": {}, "detect": {}, "optimize": {}}


@pytest.mark.parametrize("kind, member", UPLOADS)
async def test_an_upload_of_another_is_nothing_to_work_on(pair: Pair, kind: str, member: str) -> None:
    upload = (await pair.owner.post("/api/v1/uploads", FILE)).json()["id"]
    told = []
    for upload_id in (upload, upload[:-4] + "0000"):
        wanted = {"kind": kind, "input": {**BESIDES[kind], member: upload_id}}
        body = refused(await pair.other.post(JOBS, wanted), 422, "validation_failed")
        told.append([(error["pointer"], error["code"], error["detail"]) for error in body["errors"]])
    assert told[0] == told[1], "an upload of another looks like none"


async def test_an_upload_of_another_is_no_list_of_a_batch(pair: Pair) -> None:
    upload = (await pair.owner.post("/api/v1/uploads", FILE)).json()["id"]
    told = []
    for upload_id in (upload, upload[:-4] + "0000"):
        answer = await pair.other.post("/api/v1/batches", {"kind": "generate", "input_file": upload_id})
        told.append(refused(answer, 422, "validation_failed")["errors"])
    assert told[0] == told[1]


LISTS = [route for route in ROUTES if route.query is not None and issubclass(route.query, PageQuery)]


@pytest.mark.parametrize("route", LISTS, ids=lambda route: route.path)
async def test_a_cursor_is_good_for_one_caller_and_one_list(api: Api, pair: Pair, route: Route) -> None:
    path = pair.path_to(route) if identified(route) else route.path
    reader = await api.admin() if route.path.startswith("/admin") else bearer(pair.owner.secret)
    reader_id = (await api.http.get("/api/v1/me", headers=reader)).json()["id"]
    stranger_id = (await pair.other.me())["id"]
    seal = Seal(PEPPER.encode())
    for sealed_for in (f"{stranger_id} {path}", f"{reader_id} {path}/else", f" {path}"):
        answer = await api.http.get(f"{path}?cursor={seal.close(sealed_for, 'x')}", headers=reader)
        refused(answer, 400, "malformed_request")
