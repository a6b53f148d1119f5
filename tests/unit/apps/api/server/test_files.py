from __future__ import annotations

import asyncio
import contextvars

import pytest
from starlette.types import Scope

from apps.api.server.budget import Budget
from apps.api.server.files import Files
from libs.errors import Refusal


def someone(host: str = "192.0.2.1") -> Scope:
    return {"type": "http", "client": (host, 1)}


def refused(files: Files, size: int) -> str:
    with pytest.raises(Refusal) as caught:
        files.weigh(size)
    return caught.value.code


def test_a_file_counts_twice_and_the_next_takes_its_place_until_the_request_is_over() -> None:
    budget = Budget(800)
    files, scope = Files(budget), someone()
    files.begin(scope)
    for _ in range(10):
        files.weigh(90)
        assert budget.held_by("192.0.2.1") == 180
    files.end(scope)
    assert budget.held_bytes == 0


def test_many_readers_share_what_one_may_have() -> None:
    budget = Budget(800)
    files = Files(budget)
    for _ in range(2):
        files.begin(someone())
        files.weigh(50)
    files.begin(someone())
    assert refused(files, 1) == "rate_limited"


def test_whoever_holds_nothing_else_may_read_a_file_of_any_size_one_at_a_time() -> None:
    budget = Budget(800)
    files = Files(budget)
    files.begin(someone())
    files.weigh(1_000_000)
    assert budget.held_bytes == 400
    files.begin(someone())
    assert refused(files, 1) == "rate_limited"
    files.begin(someone("192.0.2.2"))
    files.weigh(1_000_000)
    files.begin(someone("192.0.2.3"))
    assert refused(files, 1) == "overloaded"


def test_what_a_task_reads_after_its_request_is_over_is_nobodys() -> None:
    budget = Budget(800)
    files, scope = Files(budget), someone()
    files.begin(scope)
    files.end(scope)
    files.weigh(1_000)
    assert budget.held_bytes == 0


async def test_each_task_reads_for_its_own_request() -> None:
    budget = Budget(800)
    files, turn = Files(budget), asyncio.Event()

    async def request(host: str) -> None:
        files.begin(someone(host))
        await turn.wait()
        files.weigh(40)

    tasks = [asyncio.create_task(request(f"192.0.2.{n}"), context=contextvars.Context()) for n in range(3)]
    turn.set()
    await asyncio.gather(*tasks)
    assert [budget.held_by(f"192.0.2.{n}") for n in range(3)] == [80, 80, 80]
    files.weigh(1_000_000)
    assert budget.held_bytes == 240
