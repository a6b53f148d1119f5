"""The matrix of routes and callers, asked for line by line. It fails for a route that has no line."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.api.routes import ROUTES
from apps.api.routing import Route
from libs.access.api_key import mint
from libs.workflows.definition import Definition
from libs.workflows.registry import create_workflow, revise_workflow
from tests.fakes.api import Api, bearer
from tests.fakes.customers import COMPARED, COMPARISONS, PICTURE, Customer, customer_of
from tests.fakes.graphs import picture_graph
from tests.fakes.hands import end, start

MATRIX: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parent / "access_matrix.toml").read_text())
CALLERS = ("none", "garbage", "other", "read_only", "admin")
READ_SCOPES = frozenset({"jobs:read", "backends:read", "webhooks:read"})
THING = re.compile(r"<(\w+)>")


@dataclass(frozen=True)
class World:
    """An owner and what they have, and everybody who asks for it."""

    http: httpx.AsyncClient
    things: dict[str, str]
    headers: dict[str, dict[str, str]]

    def named(self, value: Any) -> Any:
        """The same with the things put in for their names."""
        if isinstance(value, dict):
            return {name: self.named(member) for name, member in value.items()}
        return THING.sub(lambda found: self.things[found[1]], value) if isinstance(value, str) else value

    async def ask(self, line: str, caller: str, path: str | None = None) -> httpx.Response:
        method, _, template = line.partition(" ")
        content = None if method in ("GET", "DELETE") else self.named(MATRIX[line].get("body", {}))
        headers = {"Prefer": "respond-async", **self.headers[caller]}
        return await self.http.request(method, self.named(path or template), json=content, headers=headers)


@pytest.fixture
async def world(api: Api) -> World:
    owner, admin = await customer_of(api), await api.admin()
    me = await owner.me()
    job = await owner.job()
    await owner.delete(f"/api/v1/jobs/{job['id']}")
    file = {"filename": "page.png", "content_type": "image/png", "size_bytes": 10}
    upload = (await owner.post("/api/v1/uploads", file)).json()
    wanted = {"user_id": me["id"], "name": "read only", "scopes": sorted(READ_SCOPES)}
    read_only = (await api.http.post("/admin/api-keys", json=wanted, headers=admin)).json()
    dead = await dead_job(api, owner)
    batch = (await owner.post("/api/v1/batches", {"kind": "generate", "items": [dict(PICTURE)]})).json()
    hook = (await owner.post("/api/v1/webhooks", {"url": "https://example.com/hook"})).json()
    delivery = (await owner.post(f"/api/v1/webhooks/{hook['id']}/ping")).json()
    things = {
        "job": job["id"],
        "batch": batch["id"],
        "comparison": (await owner.post(COMPARISONS, COMPARED)).json()["id"],
        "upload": upload["id"],
        "user": me["id"],
        "api_key": me["api_key"]["id"],
        "dead": dead,
        "workflow": await workflow(api),
        "webhook": hook["id"],
        "delivery": delivery["id"],
    }
    headers = {
        "none": {},
        "garbage": bearer(mint()),
        "other": bearer(await api.key("internal")),
        "read_only": bearer(read_only["api_key"]),
        "admin": admin,
    }
    return World(api.http, things, headers)


async def workflow(api: Api) -> str:
    """One with two versions."""
    definition = Definition(graph=picture_graph())
    for put in (create_workflow, revise_workflow):
        await put(api.resources.store, "picture", definition, is_checked=False)
    return "picture"


async def dead_job(api: Api, owner: Customer) -> str:
    store = api.resources.store
    job_id = str((await owner.job(PICTURE))["id"])
    await end(store, await start(store), "fail", payment="refund", error={"code": "worker_lost"})
    await store.call("ZADD", store.keys.dead, 1, job_id)
    return job_id


def leads_to(line: str, route: Route) -> bool:
    method, _, path = line.partition(" ")
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(route.path))
    return method == route.method and re.fullmatch(pattern, path) is not None


def route_of(line: str) -> Route:
    """A line such as `GET …/{id}` is that of the route whose path has the fewest parameters."""
    return min((route for route in ROUTES if leads_to(line, route)), key=lambda route: route.path.count("{"))


def test_every_route_has_a_line_and_every_line_a_route() -> None:
    told = {(route_of(line).method, route_of(line).path) for line in MATRIX}
    assert told == {(route.method, route.path) for route in ROUTES}


def test_every_line_says_something_of_every_caller() -> None:
    assert {line: set(row) - {"body"} for line, row in MATRIX.items()} == {line: set(CALLERS) for line in MATRIX}


@pytest.mark.parametrize("line", MATRIX)
async def test_everybody_gets_what_the_matrix_says(world: World, line: str) -> None:
    found = {caller: (await world.ask(line, caller)).status_code for caller in CALLERS}
    assert found == {caller: MATRIX[line][caller] for caller in CALLERS}


@pytest.mark.parametrize("line", [line for line in MATRIX if route_of(line).aliases])
async def test_an_alias_lets_in_nobody_else(world: World, line: str) -> None:
    for alias in route_of(line).aliases:
        found = {caller: (await world.ask(line, caller, alias)).status_code for caller in CALLERS}
        assert found == {caller: MATRIX[line][caller] for caller in CALLERS}


ACTS = [line for line in MATRIX if " /admin/" in line and not line.startswith("GET")]


@pytest.mark.parametrize("line", ACTS)
async def test_every_act_of_an_admin_is_in_the_audit_log_and_a_refused_one_is_not(world: World, line: str) -> None:
    await world.http.post("/admin/queues/gpu/pause", headers=world.headers["admin"])
    before = await acts(world)
    for caller in CALLERS[:-1]:
        await world.ask(line, caller)
    assert await acts(world) == before
    answer = await world.ask(line, "admin")
    changed = answer.status_code < 300 and not line.endswith("/pause")
    assert len(await acts(world)) == len(before) + changed


async def acts(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        await world.http.get("/admin/audit?limit=100", headers=world.headers["admin"])
    ).json()["data"]
    return found
