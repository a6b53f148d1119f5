"""Canceling: by DELETE and by POST …/cancel, which are the same."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from libs.ids import new_id
from libs.jobs.lifecycle import Ending
from tests.fakes.api import Api
from tests.fakes.customers import JOBS, Customer, customer_of
from tests.fakes.hands import end, start
from tests.fakes.problems import refused


@pytest.fixture
async def someone(api: Api) -> Customer:
    return await customer_of(api, "free")


@pytest.fixture(params=["DELETE", "POST"])
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def cancel(someone: Customer, method: str, job_id: str) -> httpx.Response:
    path = f"{JOBS}/{job_id}"
    return await (someone.delete(path) if method == "DELETE" else someone.post(f"{path}/cancel"))


async def test_a_queued_job_is_canceled_at_once_and_free_of_charge(someone: Customer, method: str) -> None:
    job = await someone.job()
    answer = await cancel(someone, method, job["id"])
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert answer.json()["finished_at"]
    assert (await someone.me())["left"]["units_today"] == 10


async def test_a_canceled_job_may_be_canceled_again(someone: Customer, method: str) -> None:
    job = await someone.job()
    first = await cancel(someone, method, job["id"])
    again = await cancel(someone, method, job["id"])
    assert (again.status_code, again.json()) == (200, first.json())


async def test_a_running_job_is_asked_to_stop(api: Api, someone: Customer, method: str) -> None:
    job = await someone.job()
    claimed = await start(api.resources.store)
    for _ in range(2):
        answer = await cancel(someone, method, job["id"])
        assert (answer.status_code, answer.json()["status"]) == (202, "running")
        assert answer.json()["cancel_requested_at"]
    await end(api.resources.store, claimed, "cancel")
    assert (await someone.look(job["id"]))["status"] == "canceled"


async def test_a_running_job_may_still_succeed_if_it_was_faster(api: Api, someone: Customer) -> None:
    job = await someone.job()
    claimed = await start(api.resources.store)
    assert (await cancel(someone, "DELETE", job["id"])).status_code == 202
    await end(api.resources.store, claimed, "succeed", output={"seed": 7})
    done = await someone.look(job["id"])
    assert (done["status"], done["output"]) == ("succeeded", {"seed": 7})


@pytest.mark.parametrize("ending, status", [("succeed", "succeeded"), ("fail", "failed")])
async def test_a_finished_job_stays_as_it_is(
    api: Api, someone: Customer, method: str, ending: Ending, status: str
) -> None:
    job = await someone.job()
    await end(api.resources.store, await start(api.resources.store), ending)
    body = refused(await cancel(someone, method, job["id"]), 409, "job_already_finished")
    assert body["job_status"] == status
    assert (await someone.look(job["id"]))["status"] == status


async def test_there_is_nothing_to_cancel_where_there_is_no_job(someone: Customer, method: str) -> None:
    refused(await cancel(someone, method, new_id("job")), 404, "not_found")


async def test_twenty_cancels_at_once_refund_once(someone: Customer) -> None:
    await someone.job()
    job = await someone.job()
    answers = await asyncio.gather(*(cancel(someone, "DELETE", job["id"]) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert (await someone.me())["left"]["units_today"] == 9
