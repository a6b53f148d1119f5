"""What a caller is told when the backend misbehaves: what went wrong, never how our insides look."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.fakes.backends import Backend
from tests.fakes.customers import JOBS, PICTURE, Customer

DRAW = {key: value for key, value in PICTURE.items() if key != "seed"}
_INSIDES = re.compile(r"Traceback|\.py\b|127\.0\.0\.1|localhost|http:|/opt/|File \"")


async def drawn(someone: Customer) -> dict[str, Any]:
    """The job at its end."""
    answer = await someone.post("/api/v1/generate", DRAW)
    assert answer.status_code == 200, answer.text
    job: dict[str, Any] = answer.json()
    assert _INSIDES.search(str(job["error"])) is None, job["error"]
    assert (job["status"] == "succeeded") is (job["error"] is None)
    return job


@pytest.mark.parametrize(
    "fault, code, attempts, units, tells",
    [
        ("partial", "workflow_invalid", 1, 1, "SaveImage"),
        ("traceback", "workflow_invalid", 1, 0, "KSampler"),
        ("error", "execution_failed", 1, 0, "mat1 and mat2 shapes cannot be multiplied"),
        ("interrupted", "interrupted_at_backend", 1, 0, "interrupted"),
        ("no_outputs", "backend_output_invalid", 3, 0, "0 pictures"),
        ("out_of_memory", "out_of_memory", 2, 0, "memory"),
        ("wrong_bytes", "backend_output_invalid", 3, 0, ""),
        ("half_bytes", "backend_output_invalid", 3, 0, ""),
    ],
)
async def test_a_backend_that_never_gets_it_right_fails_the_job_in_words_for_the_caller(
    someone: Customer, backend: Backend, fault: str, code: str, attempts: int, units: int, tells: str
) -> None:
    await backend.faults(**{fault: None})
    job = await drawn(someone)
    assert (job["status"], job["error"]["code"], job["attempt"]) == ("failed", code, attempts)
    assert tells in job["error"]["detail"]
    assert job["artifacts"] == []
    assert (await someone.me())["left"]["units_today"] == 100 - units


@pytest.mark.parametrize("fault", ["no_outputs", "out_of_memory", "wrong_bytes", "half_bytes"])
async def test_a_backend_that_gets_it_right_the_second_time_costs_an_attempt_and_no_more(
    someone: Customer, backend: Backend, fault: str
) -> None:
    await backend.faults(**{fault: 1})
    job = await drawn(someone)
    assert (job["status"], job["attempt"], len(job["artifacts"])) == ("succeeded", 2, 1)


@pytest.mark.parametrize("fault", ["vanish", "forget", "files_gone", "drop", "mute"])
async def test_what_gets_lost_on_the_way_is_made_again_in_the_same_attempt(
    someone: Customer, backend: Backend, fault: str
) -> None:
    await backend.faults(**{fault: 1})
    job = await drawn(someone)
    assert (job["status"], job["attempt"], len(job["artifacts"])) == ("succeeded", 1, 1)


async def test_the_system_works_on_after_all_that(someone: Customer, backend: Backend) -> None:
    await backend.faults(vanish=1, gibberish=2, deaf=1)
    assert (await drawn(someone))["status"] == "succeeded"
    assert [job["status"] for job in (await someone.get(JOBS)).json()["data"]] == ["succeeded"]
