"""Another user's job and no job at all look alike: on every route, to the last byte."""

from __future__ import annotations

import httpx
import pytest

from apps.api.routes import ROUTES
from libs.ids import new_id
from tests.fakes.api import Api, bearer
from tests.fakes.customers import JOBS, Customer, customer_of
from tests.fakes.problems import refused

ON_A_JOB = [one for one in ROUTES if one.path.startswith(JOBS + "/{id}")]


async def ask(api: Api, one: Customer, method: str, path: str) -> httpx.Response:
    return await api.http.request(method, path, headers=bearer(one.secret) | {"x-request-id": "the-same-id"})


def test_there_are_routes_on_a_job() -> None:
    told = {f"{one.method} {one.path.removeprefix(JOBS)}" for one in ON_A_JOB}
    assert told >= {"GET /{id}", "DELETE /{id}", "POST /{id}/cancel", "GET /{id}/events", "GET /{id}/artifacts"}


@pytest.mark.parametrize("route", ON_A_JOB, ids=lambda one: f"{one.method} {one.path}")
async def test_another_users_job_is_answered_like_one_that_is_not_there(api: Api, route: httpx.Request) -> None:
    owner, other = await customer_of(api), await customer_of(api)
    job_id = (await owner.job())["id"]
    answers = []
    for each in (job_id, new_id("job"), "job_", "nonsense", "%2e%2e", "job_" + "x" * 2_000):
        path = str(route.path).replace("{id}", each).replace("{name}", "0.png")  # type: ignore[attr-defined]
        answer = await ask(api, other, route.method, path)
        refused(answer, 404, "not_found")
        answers.append(answer)
    assert len({answer.content for answer in answers}) == 1
    assert len({tuple(sorted(set(answer.headers) - {"x-ratelimit-reset"})) for answer in answers}) == 1
    assert (await owner.look(job_id))["status"] == "queued"


async def test_every_key_of_a_user_sees_the_users_jobs(api: Api) -> None:
    owner, admin = await customer_of(api), await api.admin()
    user_id = (await owner.me())["id"]
    made = await api.http.post("/admin/api-keys", json={"user_id": user_id, "name": "second"}, headers=admin)
    second = Customer(api.http, made.json()["api_key"])
    job_id = (await owner.job())["id"]
    assert (await second.look(job_id))["id"] == job_id
    assert (await second.delete(f"{JOBS}/{job_id}")).json()["status"] == "canceled"


async def test_an_artifact_that_a_job_does_not_have_is_not_found(api: Api) -> None:
    someone = await customer_of(api)
    job_id = (await someone.job())["id"]
    assert (await someone.get(f"{JOBS}/{job_id}/artifacts")).json() == {"data": []}
    for name in ("0.png", "..%2f0.png", "%00"):
        refused(await someone.get(f"{JOBS}/{job_id}/artifacts/{name}"), 404, "not_found")
