"""The way of an `optimize` job: an API, workers in processes of their own, and a provider that forgives nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.jobs.status import FINISHED
from tests.fakes.api import Api, api_process, bearer
from tests.fakes.pixels import PNG
from tests.fakes.prediction_api import WEBHOOK_SECRET
from tests.fakes.prediction_provider import PredictionProvider, prediction_provider
from tests.fakes.workers import LOST_AFTER_S, WorkerProcess, worker_process
from tests.integration.apps.conftest import MakeApi
from tests.patience import PATIENCE_S
from tests.servers import RedisServer, S3Server

PICTURE = {"image_url": "https://pictures.example.com/a.png"}


@pytest.fixture(scope="module")
def provider() -> Iterator[PredictionProvider]:
    """A minute of its clock is half a second of ours; nothing here comes near its limits but what means to."""
    with prediction_provider(speed=120, limit=100_000, reads=100_000) as started:
        yield started


@dataclass
class Studio:
    """What a test holds in its hands."""

    api: Api
    secret: str
    provider: PredictionProvider
    stack: ExitStack
    folder: Path
    redis_url: str
    s3: S3Server
    before: dict[str, int]

    def start_worker(self, **changes: Any) -> WorkerProcess:
        told = self.provider.settings(worker_queues="net") | changes
        return self.stack.enter_context(worker_process(self.folder, self.redis_url, self.s3, **told))

    def count(self, word: str) -> int:
        """How often that has happened since the test began."""
        return self.provider.counts()[word] - self.before.get(word, 0)

    async def submit(self, behaviour: str = "", **members: Any) -> str:
        wanted = {**PICTURE, "parameters": {"behaviour": behaviour}, **members}
        body = {"kind": "optimize", "input": wanted}
        answer = await self.api.http.post("/api/v1/jobs", json=body, headers=bearer(self.secret))
        assert answer.status_code == 202, answer.text
        job_id: str = answer.json()["id"]
        return job_id

    async def job(self, job_id: str) -> dict[str, Any]:
        answer = await self.api.http.get(f"/api/v1/jobs/{job_id}", headers=bearer(self.secret))
        found: dict[str, Any] = answer.json()
        return found

    async def finished(self, job_id: str, within_s: float = PATIENCE_S) -> dict[str, Any]:
        async with asyncio.timeout(within_s):
            while (job := await self.job(job_id))["status"] not in FINISHED:
                await asyncio.sleep(0.02)
        return job

    async def record(self, job_id: str, *members: str) -> list[bytes | None]:
        store = self.api.resources.store
        found: list[bytes | None] = await store.call("HMGET", store.keys.job + job_id, *members)
        return found

    async def until_waiting(self, job_id: str, within_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(within_s):
            while (await self.record(job_id, "waiting"))[0] is None:
                await asyncio.sleep(0.02)

    async def until(self, holds: Callable[[], object], within_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(within_s):
            while not holds():
                await asyncio.sleep(0.02)

    def inputs(self) -> list[dict[str, Any]]:
        """What was asked for since the test began."""
        told: list[dict[str, Any]] = self.provider.figures()["inputs"]
        return told[self.before.get("created", 0) :]


@pytest.fixture
async def studio(
    tmp_path: Path, make_api: MakeApi, valkey: RedisServer, s3: S3Server, provider: PredictionProvider
) -> AsyncIterator[Studio]:
    api = await make_api(**provider.settings())
    with ExitStack() as stack:
        secret = await api.key("internal")
        yield Studio(api, secret, provider, stack, tmp_path, valkey.url, s3, dict(provider.counts()))


async def test_a_job_is_created_waits_without_a_slot_and_ends_with_its_picture(studio: Studio) -> None:
    worker = studio.start_worker(arq_worker_concurrency=1)
    ids = [await studio.submit() for _ in range(5)]
    jobs = await asyncio.gather(*[studio.finished(job_id) for job_id in ids])
    assert [job["status"] for job in jobs] == ["succeeded"] * 5, jobs[0]["error"]
    (artifact,) = jobs[0]["artifacts"]
    assert (artifact["name"], artifact["content_type"], artifact["size_bytes"]) == ("0.png", "image/png", len(PNG))
    async with httpx.AsyncClient(timeout=PATIENCE_S) as stranger:
        assert (await stranger.get(artifact["url"])).content == PNG
    assert jobs[0]["output"]["result"] == "0.png"
    assert jobs[0]["output"]["predict_seconds"] == 60
    assert (studio.count("created"), studio.count("got")) == (5, 0), "the list told of all of them"
    assert {job["attempt"] for job in jobs} == {1}
    assert any("predictions awaited" in line["message"] for line in worker.lines("info"))


LEFT: dict[str, tuple[list[str], Any]] = {
    "two files": (["0.png", "1.png"], ["0.png", "1.png"]),
    "text": ([], ["Hello", " ", "world"]),
    "json": (["0.png"], {"picture": "0.png", "score": 0.5, "boxes": [[1, 2, 3, 4]]}),
    "data": (["0.png"], "0.png"),
}
#: What is told, and how often it was made.
NOTHING = {
    "fails": ("prediction_failed", 1),
    "breaks off": ("prediction_interrupted", 3),
    "aborts": ("prediction_canceled", 3),
    "missing": ("output_expired", 3),
    "huge": ("output_too_large", 1),
    "private": ("output_not_allowed", 1),
}


async def test_whatever_a_model_leaves_is_kept_and_what_comes_to_nothing_is_made_again_where_that_helps(
    studio: Studio,
) -> None:
    studio.start_worker()
    ids = {behaviour: await studio.submit(behaviour) for behaviour in (*LEFT, *NOTHING)}
    jobs = {behaviour: await studio.finished(job_id) for behaviour, job_id in ids.items()}
    for behaviour, left in LEFT.items():
        names = [artifact["name"] for artifact in jobs[behaviour]["artifacts"]]
        assert (names, jobs[behaviour]["output"]["result"]) == left
    made = Counter(told["behaviour"] for told in studio.inputs())
    codes = {behaviour: (jobs[behaviour]["error"]["code"], made[behaviour]) for behaviour in NOTHING}
    assert codes == NOTHING
    assert "127.0.0.1" not in str([job["error"] for job in jobs.values()])


async def test_a_killed_worker_costs_no_second_creation(studio: Studio) -> None:
    """At four moments: before the creation, while it is under way, while it waits, and when it has ended."""
    worker = studio.start_worker(arq_worker_concurrency=20, lease_s=LOST_AFTER_S)
    studio.provider.fail_next("create", "hang", "hang")
    ids = [await studio.submit(prompt=f"number {n}") for n in range(8)]
    await studio.until(lambda: studio.count("created") >= 3)
    worker.kill()
    second = studio.start_worker(arq_worker_concurrency=20, lease_s=LOST_AFTER_S)
    jobs = await asyncio.gather(*[studio.finished(job_id) for job_id in ids])
    assert {job["status"] for job in jobs} == {"succeeded"}, second.log.read_text()[-3000:]
    prompts = Counter(told["prompt"] for told in studio.inputs())
    assert prompts == Counter({f"number {n}": 1 for n in range(8)})


async def test_a_creation_whose_answer_was_lost_is_found_again_and_one_that_never_arrived_is_made(
    studio: Studio,
) -> None:
    studio.provider.fail_next("create", "lost", "late 500", "503", "garbage")
    studio.start_worker()
    ids = [await studio.submit() for _ in range(4)]
    jobs = await asyncio.gather(*[studio.finished(job_id) for job_id in ids])
    assert {job["status"] for job in jobs} == {"succeeded"}
    assert studio.count("created") == 4
    assert [await studio.record(job_id, "failures") for job_id in ids] == [[None]] * 4


async def test_a_429_and_missing_credit_use_up_no_attempt_and_keep_the_others_away(studio: Studio) -> None:
    studio.provider.fail_next("create", "429", "402")
    worker = studio.start_worker()
    first = await studio.submit()
    await studio.until(lambda: worker.lines("error"))
    second = await studio.submit()
    await asyncio.sleep(0.5)
    assert (await studio.job(first))["status"] == (await studio.job(second))["status"] == "queued"
    assert await studio.record(first, "failures") == [None]
    assert studio.count("created") == 0


async def test_what_a_provider_declines_is_told_without_secrets_and_paid_for(studio: Studio) -> None:
    studio.start_worker()
    job = await studio.finished(await studio.submit(parameters={"unknown": 1}))
    assert job["status"] == "failed"
    assert job["error"]["code"] == "order_declined"
    assert "Additional property" in job["error"]["detail"]
    assert job["error"]["retryable"] is False


async def test_a_canceled_job_ends_its_prediction(studio: Studio) -> None:
    studio.start_worker()
    job_id = await studio.submit("never ends")
    await studio.until_waiting(job_id)
    answer = await studio.api.http.delete(f"/api/v1/jobs/{job_id}", headers=bearer(studio.secret))
    assert answer.status_code == 202
    assert (await studio.finished(job_id))["status"] == "canceled"
    assert studio.count("canceled") == 1


async def test_a_prediction_that_never_ends_is_ended_and_made_again(studio: Studio) -> None:
    studio.start_worker(replicate_max_wait_ms=1_000)
    job_id = await studio.submit("never ends")
    job = await studio.finished(job_id)
    assert (job["status"], job["error"]["code"]) == ("failed", "prediction_timed_out")
    assert studio.count("created") == 3
    assert studio.count("canceled") == 3


async def test_a_drained_worker_leaves_its_predictions_to_the_next(studio: Studio) -> None:
    first = studio.start_worker()
    ids = [await studio.submit() for _ in range(4)]
    await studio.until(lambda: studio.count("created") >= 2)
    first.ask_to_stop()
    assert await first.ended() == 0
    studio.start_worker()
    jobs = await asyncio.gather(*[studio.finished(job_id) for job_id in ids])
    assert {job["status"] for job in jobs} == {"succeeded"}
    assert studio.count("created") == 4


async def test_a_provider_that_calls_back_is_read_once_for_each_prediction(studio: Studio, tmp_path: Path) -> None:
    """The list is read now and then only, for the calls that were lost."""
    secret = WEBHOOK_SECRET
    with api_process(tmp_path, studio.redis_url, studio.s3, replicate_webhook_secret=secret) as api:
        studio.start_worker(public_url=api.url, arq_worker_concurrency=10)
        ids = [await studio.submit() for _ in range(10)]
        jobs = await asyncio.gather(*[studio.finished(job_id) for job_id in ids])
    assert {job["status"] for job in jobs} == {"succeeded"}
    assert studio.count("webhooks") == 10
    assert studio.count("webhooks refused") == 0
    assert studio.count("got") <= 10
    assert studio.count("listed") <= 3
