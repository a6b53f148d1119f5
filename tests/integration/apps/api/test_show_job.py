"""GET /api/v1/jobs/{id}: what a poller sees, and what spares it a look."""

from __future__ import annotations

import pytest

from tests.fakes.api import Api
from tests.fakes.customers import JOBS, Customer, customer_of
from tests.fakes.hands import end, start, tell_progress


@pytest.fixture
async def someone(api: Api) -> Customer:
    return await customer_of(api, "pro", slots=1)


async def etag_of(someone: Customer, job_id: str) -> str:
    return str((await someone.get(f"{JOBS}/{job_id}")).headers["etag"])


async def test_a_job_that_has_not_changed_is_not_sent_again(someone: Customer) -> None:
    path = f"{JOBS}/{(await someone.job())['id']}"
    first = await someone.get(path)
    etag = first.headers["etag"]
    assert etag.startswith('W/"')
    assert first.headers["cache-control"] == "private, no-cache"
    for told in (etag, f'"other", {etag}', etag.removeprefix("W/"), "*"):
        again = await someone.get(path, if_none_match=told)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        assert again.headers["cache-control"] == "private, no-cache"
    assert (await someone.get(path, if_none_match='W/"other"')).status_code == 200


async def test_the_tag_changes_with_every_step_of_a_job(api: Api, someone: Customer) -> None:
    store = api.resources.store
    job_id = (await someone.job())["id"]
    tags = [await etag_of(someone, job_id)]
    claimed = await start(store)
    tags.append(await etag_of(someone, job_id))
    for fraction in (0.25, 0.5):
        await tell_progress(store, claimed, fraction)
        tags.append(await etag_of(someone, job_id))
    await someone.delete(f"{JOBS}/{job_id}")
    tags.append(await etag_of(someone, job_id))
    await end(store, claimed)
    tags.append(await etag_of(someone, job_id))
    assert len(set(tags)) == 6


async def test_a_running_job_shows_its_progress_and_a_finished_one_what_it_took(api: Api, someone: Customer) -> None:
    store = api.resources.store
    job_id = (await someone.job())["id"]
    claimed = await start(store)
    await tell_progress(store, claimed, 0.45)
    running = await someone.look(job_id)
    assert (running["status"], running["attempt"], running["progress"]["fraction"]) == ("running", 1, 0.45)
    assert running["started_at"] >= running["created_at"]
    await end(store, claimed)
    done = await someone.look(job_id)
    assert done["finished_at"] >= done["started_at"]
    assert done["usage"]["queue_seconds"] >= 0
    assert done["usage"]["run_seconds"] >= 0
    assert done["input"] == running["input"]


async def test_an_unfinished_job_says_when_to_look_again(api: Api, someone: Customer) -> None:
    job_id = (await someone.job())["id"]
    queued = await someone.get(f"{JOBS}/{job_id}")
    assert 1 <= int(queued.headers["retry-after"]) <= 30
    claimed = await start(api.resources.store)
    assert "retry-after" in (await someone.get(f"{JOBS}/{job_id}")).headers
    await end(api.resources.store, claimed)
    assert "retry-after" not in (await someone.get(f"{JOBS}/{job_id}")).headers


async def test_a_queued_job_says_how_many_are_before_it(api: Api, someone: Customer) -> None:
    jobs = [(await someone.job())["id"] for _ in range(3)]
    assert [(await someone.look(job_id))["queue_position"] for job_id in jobs] == [0, 1, 2]
    claimed = await start(api.resources.store)
    assert (await someone.look(jobs[0]))["queue_position"] is None
    await end(api.resources.store, claimed)
    assert [(await someone.look(job_id))["queue_position"] for job_id in jobs] == [None, 0, 1]
    assert (await someone.look(jobs[2]))["estimated_start_at"]
