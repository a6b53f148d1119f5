"""A Cog container as its page says that it is (https://cog.run/http/): it keeps nothing, and runs one at a time."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from libs.backends import breaker, limiter
from libs.backends.prediction import Cog, Order, Predictions, Terms
from libs.backends.submission import Submission
from libs.errors import Failure, Unavailable
from libs.kinds.kind import Output
from libs.kinds.optimize import KIND, run
from libs.kinds.optimize_input import OptimizeInput
from libs.store.client import Store
from tests.fakes.attempt import FakeAttempt, stop
from tests.fakes.pixels import PNG
from tests.fakes.web_server import Answer, Asked, answer, hang, web_server
from tests.patience import PATIENCE_S

PICTURE = "data:image/png;base64," + base64.b64encode(PNG).decode()


@dataclass
class Container:
    """Its answers; `runs` counts how often each id was run."""

    answers: list[tuple[int, Any]] = field(default_factory=list)
    hangs: bool = False
    runs: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    canceled: list[str] = field(default_factory=list)

    def tell(self, asked: Asked) -> Answer:
        if match := re.fullmatch(r"/predictions/(\w+)/cancel", asked.path):
            self.canceled.append(match[1])
            return told(200, {})
        match = re.fullmatch(r"/predictions/(\w+)", asked.path)
        if asked.method != "PUT" or match is None or "prefer" in asked.headers:
            return told(404, {"detail": "Not Found"})
        body = json.loads(asked.body)
        if set(body) - {"input", "webhook", "webhook_events_filter", "output_file_prefix"}:
            return told(422, {"detail": "extra fields"})
        self.runs.append(match[1])
        self.bodies.append(body)
        if self.hangs:
            return hang()
        return told(*(self.answers.pop(0) if self.answers else (200, {"status": "succeeded", "output": PICTURE})))


def told(status: int, body: Any) -> Answer:
    return answer(status, json.dumps(body).encode(), Content_Type="application/json")


@pytest.fixture
async def container() -> Container:
    return Container()


@pytest.fixture
async def cog(container: Container, store: Store) -> AsyncIterator[Cog]:
    async with web_server(container.tell) as server:
        made = Cog(
            "ours",
            server.url,
            breaker=breaker.Breaker(store, "ours"),
            creations=limiter.Limiter(store, "ours:create", limiter.Rule(1_000)),
            terms=Terms("cog/ours"),
            max_wait_s=1.0,
        )
        yield made
        await made.aclose()


async def order() -> Order:
    return Order("cog/ours", {"prompt": "a cat"})


async def test_a_job_holds_on_and_gets_its_picture(cog: Cog, container: Container) -> None:
    attempt = FakeAttempt(predictions=Predictions([cog]))
    output = await run(OptimizeInput(prompt="a cat"), attempt)
    assert isinstance(output, Output)
    assert output.artifacts[0].data == PNG
    assert container.bodies == [{"input": {"prompt": "a cat"}}]
    assert KIND.timeout_s > cog.max_wait_s


async def test_a_resumed_job_asks_for_the_same_prediction(cog: Cog, container: Container) -> None:
    container.answers = [(500, {}), (202, {"id": "x", "status": "processing"}), (409, {"detail": "Already running"})]
    attempt = FakeAttempt()
    for _ in range(3):
        with pytest.raises(Unavailable):
            await cog.advance(order, attempt)
        attempt = attempt.next_attempt()
    assert (await cog.advance(order, attempt)).status == "succeeded"
    assert len(set(container.runs)) == 1


@pytest.mark.parametrize(
    "status, body, code, again",
    [
        (200, {"status": "failed", "error": "bad picture"}, "prediction_failed", False),
        (200, {"status": "failed", "error": "CUDA out of memory"}, "prediction_interrupted", True),
        (200, {"status": "canceled"}, "prediction_canceled", True),
        (422, {"detail": [{"loc": ["body", "input"], "msg": "field required"}]}, "order_declined", False),
    ],
)
async def test_what_comes_to_nothing_is_over_and_the_next_attempt_makes_another(
    cog: Cog, container: Container, status: int, body: Any, code: str, again: bool
) -> None:
    container.answers = [(status, body)]
    attempt = FakeAttempt()
    with pytest.raises(Failure) as failed:
        await cog.advance(order, attempt)
    assert (failed.value.code, failed.value.retryable) == (code, again)
    await cog.advance(order, attempt.next_attempt())
    assert len(set(container.runs)) == 2


@pytest.mark.parametrize("body", [{"status": "perhaps"}, {"status": "starting"}, []])
async def test_an_answer_that_is_none_is_the_containers_fault(cog: Cog, container: Container, body: Any) -> None:
    container.answers = [(200, body)]
    with pytest.raises(Unavailable):
        await cog.advance(order, FakeAttempt())


async def test_a_model_that_takes_too_long_is_ended_and_uses_an_attempt(cog: Cog, container: Container) -> None:
    container.hangs = True
    with pytest.raises(Failure) as failed:
        await cog.advance(order, FakeAttempt())
    assert (failed.value.code, failed.value.retryable) == ("prediction_timed_out", True)
    assert container.canceled == container.runs


async def test_a_canceled_job_ends_its_prediction_and_so_does_whoever_finds_it(cog: Cog, container: Container) -> None:
    container.hangs, attempt = True, FakeAttempt()
    task = asyncio.create_task(cog.advance(order, attempt))
    async with asyncio.timeout(PATIENCE_S):
        while not container.runs:
            await asyncio.sleep(0.01)
    await stop(task, attempt, "canceled")
    assert container.canceled == container.runs
    await cog.end(order, Submission("ours", f"made:0:{container.runs[0]}", 1), attempt.job_id)
    assert container.canceled == container.runs * 2


async def test_an_address_in_the_parameters_never_reaches_a_container_of_ours(cog: Cog, container: Container) -> None:
    attempt = FakeAttempt(predictions=Predictions([cog]))
    with pytest.raises(Failure) as failed:
        await run(OptimizeInput(parameters={"mask": "https://example.com/a.png"}), attempt)
    assert (failed.value.code, container.runs) == ("url_not_allowed", [])
