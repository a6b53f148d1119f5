"""How an attempt ends, for every way a handler can leave it; the job's record is what its user is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import ANY

import pytest

from apps.worker.run import Runner
from libs.artifacts.artifact import NewArtifact
from libs.artifacts.objects import Objects
from libs.backends.backends import Backends
from libs.backends.comfyui import ComfyUI
from libs.backends.ocr import OcrEngine
from libs.errors import Failure, Unavailable
from libs.jobs.job import Job
from libs.jobs.lifecycle import claim
from libs.jobs.lookup import load_job
from libs.jobs.payload import serialize
from libs.jobs.status import StopReason
from libs.kinds.kind import Attempt, Input, Kind, Output, Wait
from libs.metrics import Metrics
from libs.queue.running import Running
from libs.store.client import Store
from tests.fakes.callers import make_caller, submit
from tests.fakes.library import FakeLibrary
from tests.servers import S3Server

Handler = Callable[["Nothing", Attempt], Awaitable[Output | Wait]]
RunOnce = Callable[..., Awaitable[Job]]

NO_BACKENDS = Backends(ComfyUI(None), OcrEngine(1))


class Nothing(Input):
    """The input of the kinds here."""

    n: int = 0


@pytest.fixture
def objects(s3: S3Server) -> Objects:
    return Objects(s3.endpoint, s3.access_key, s3.secret_key, s3.bucket)


@pytest.fixture
def run_once(store: Store, objects: Objects) -> RunOnce:
    """Submit a job of a kind with this handler, run one attempt at it, and look at the job."""

    async def run(
        handler: Handler, *, stop: StopReason | None = None, payload: bytes | None = None, **kind: Any
    ) -> Job:
        caller = make_caller()
        admission = await submit(store, caller, units=3)
        if payload is not None:
            await store.call("SET", store.keys.arq_job + admission.job_id, payload)
        (claimed,) = (await claim(store, "w1", ["cpu"], 1, 30)).jobs
        running = Running(claimed)
        running.task = asyncio.current_task()
        made = Kind(name="noop", queue="cpu", input=Nothing, run=handler, **kind)
        runner = Runner(store, objects, NO_BACKENDS, {"noop": made}, Metrics(), FakeLibrary())
        if stop is not None:
            asyncio.get_running_loop().call_later(0.05, running.stop, stop)
        await runner.run_job(running)
        return await load_job(store, caller.user_id, admission.job_id)

    return run


async def paid(store: Store, job: Job) -> int:
    (usage,) = await store.call("KEYS", store.keys.usage + job.user_id + ":*")
    return int(await store.call("HGET", usage, "used") or 0)


def raising(error: Exception) -> Handler:
    async def handler(_wanted: Nothing, _attempt: Attempt) -> Output:
        raise error

    return handler


async def forever(_wanted: Nothing, _attempt: Attempt) -> Output:
    await asyncio.Event().wait()
    raise AssertionError


async def test_what_a_handler_returns_is_kept_and_told(store: Store, objects: Objects, run_once: RunOnce) -> None:
    async def handler(_wanted: Nothing, attempt: Attempt) -> Output:
        await attempt.progress(1, 2, "half")
        await attempt.progress(2, 2, "all")
        return Output({"n": 1}, (NewArtifact("a.txt", "text/plain", b"hallo"),))

    job = await run_once(handler)
    assert (job.status, job.output) == ("succeeded", {"n": 1})
    assert job.progress == {"fraction": 1.0, "step": 2, "steps": 2, "message": "all"}
    assert await objects.get(job.artifacts[0].object_name, bytes_max=100) == b"hallo"
    assert await paid(store, job) == 3


async def test_what_a_backend_says_twice_is_told_once(store: Store, run_once: RunOnce) -> None:
    async def handler(_wanted: Nothing, attempt: Attempt) -> Output:
        for _ in range(2):
            await attempt.progress(1, 2, "half")
        return Output()

    job = await run_once(handler)
    told = await store.call("XRANGE", store.keys.events + job.id, "-", "+")
    assert [members for _, members in told if b"progress" in members] == [[b"type", b"progress", b"data", ANY]]


async def test_a_retryable_failure_comes_back_until_its_attempts_are_used_up(store: Store, run_once: RunOnce) -> None:
    flaky = raising(Failure("flaky", "again", retryable=True))
    job = await run_once(flaky, attempts_max=2)
    assert (job.status, job.failures, job.error) == (
        "queued", 1, {"code": "flaky", "detail": "again", "retryable": True},
    )  # fmt: skip
    last = await run_once(flaky, attempts_max=1)
    assert last.status == "failed"
    assert await paid(store, last) == 0


async def test_a_callers_fault_is_final_and_paid_for(store: Store, run_once: RunOnce) -> None:
    job = await run_once(raising(Failure("unreadable", "no picture", fault="caller")))
    assert (job.status, job.failures) == ("failed", 0)
    assert await paid(store, job) == 3


async def test_a_bug_costs_an_attempt_and_tells_the_caller_nothing_of_it(run_once: RunOnce) -> None:
    job = await run_once(raising(RuntimeError("secret at 10.0.0.1")), attempts_max=1)
    assert (job.status, job.error) == (
        "failed", {"code": "internal", "detail": "An internal error occurred", "retryable": True},
    )  # fmt: skip


async def test_a_backend_that_is_away_uses_no_attempt_and_the_job_has_not_started(run_once: RunOnce) -> None:
    job = await run_once(raising(Unavailable("comfyui")))
    assert (job.status, job.failures, job.releases, job.started_at_ms) == ("queued", 0, 1, None)


async def test_the_hard_limit_ends_an_attempt_and_the_soft_one_the_job(run_once: RunOnce) -> None:
    hard = await run_once(forever, timeout_s=0.05, soft_timeout_s=1.0, attempts_max=1)
    soft = await run_once(forever, timeout_s=1.0, soft_timeout_s=0.05)
    assert [job.error and job.error["code"] for job in (hard, soft)] == ["timed_out", "timed_out"]
    assert [job.status for job in (hard, soft)] == ["failed", "failed"]


async def test_a_time_of_the_orders_own_counts_in_place_of_the_kinds_and_is_not_taken_again(run_once: RunOnce) -> None:
    async def own_s(_wanted: Any, _library: Any) -> float | None:
        return 0.1

    ended = await run_once(forever, timeout_s=30.0, timeout_of=own_s)
    assert (ended.status, ended.failures) == ("failed", 0)
    assert ended.error == {
        "code": "timed_out",
        "detail": "The job ran longer than 0.1 s; it is not charged",
        "retryable": False,
    }

    async def hours(_wanted: Any, _library: Any) -> float | None:
        return 3_600.0

    async def slow(_wanted: Any, _attempt: Any) -> Output:
        await asyncio.sleep(0.2)
        return Output()

    assert (await run_once(slow, timeout_s=0.05, timeout_of=hours)).status == "succeeded"


@pytest.mark.parametrize(
    "limits", [{"timeout_s": 0.05, "soft_timeout_s": 1.0}, {"timeout_s": 1.0, "soft_timeout_s": 0.05}]
)
async def test_what_was_sent_and_is_too_slow_is_its_senders_cost_and_not_tried_again(
    store: Store, run_once: RunOnce, limits: dict[str, float]
) -> None:
    job = await run_once(forever, **limits, slow_fault=lambda _wanted: "caller")
    assert (job.status, job.failures, await paid(store, job)) == ("failed", 0, 3)
    assert job.error is not None
    assert "what was sent is too slow, and is charged" in job.error["detail"]
    assert not job.error["retryable"]


@pytest.mark.parametrize(
    "limits", [{"timeout_s": 0.05, "soft_timeout_s": 1.0}, {"timeout_s": 1.0, "soft_timeout_s": 0.05}]
)
async def test_where_we_are_too_slow_nobody_pays(store: Store, run_once: RunOnce, limits: dict[str, float]) -> None:
    job = await run_once(forever, **limits, attempts_max=1)
    assert (job.status, await paid(store, job)) == ("failed", 0)
    assert job.error is not None
    assert "not charged" in job.error["detail"]


async def test_a_part_that_takes_too_long_within_a_handler_is_never_the_senders_fault(
    store: Store, run_once: RunOnce
) -> None:
    job = await run_once(raising(TimeoutError()), attempts_max=1, slow_fault=lambda _wanted: "caller")
    assert (job.status, await paid(store, job)) == ("failed", 0)


async def test_a_handler_may_clean_up_at_its_soft_limit(run_once: RunOnce) -> None:
    seen: list[str | None] = []

    async def tidy(_wanted: Nothing, attempt: Attempt) -> Output:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append(attempt.stop_reason)
        raise AssertionError

    await run_once(tidy, timeout_s=5.0, soft_timeout_s=0.05)
    assert seen == ["timed_out"]


@pytest.mark.parametrize("stop, status, counted", [("canceled", "canceled", (0, 0)), ("released", "queued", (0, 1))])
async def test_a_stopped_handler_ends_as_it_was_stopped(
    run_once: RunOnce, stop: str, status: str, counted: tuple[int, int]
) -> None:
    job = await run_once(forever, stop=stop)
    assert (job.status, (job.failures, job.releases)) == (status, counted)


async def test_a_lost_attempt_writes_nothing(run_once: RunOnce) -> None:
    job = await run_once(forever, stop="lost")
    assert (job.status, job.attempt, job.error) == ("running", 1, None)


async def test_a_waiting_job_stays_running_without_its_slot(store: Store, run_once: RunOnce) -> None:
    async def asks(_wanted: Nothing, _attempt: Attempt) -> Wait:
        return Wait(60)

    job = await run_once(asks)
    assert job.status == "running"
    assert await store.call("SCARD", f"{store.keys.open}{job.user_id}:cpu") == 0


async def test_a_payload_of_a_newer_version_is_put_back(run_once: RunOnce) -> None:
    newer = serialize({"t": None, "f": "noop", "a": ({},), "k": {}, "et": 0}).replace(b"\xa1v\x01", b"\xa1v\x63")
    job = await run_once(forever, payload=newer)
    assert (job.releases, job.failures) == (1, 0)


async def test_an_input_that_cannot_be_read_fails_at_our_cost(store: Store, run_once: RunOnce) -> None:
    job = await run_once(forever, payload=serialize({"t": None, "f": "noop", "a": ({"zz": 1},), "k": {}, "et": 0}))
    assert job.error is not None
    assert (job.status, job.error["code"]) == ("failed", "input_unreadable")
    assert await paid(store, job) == 0


async def test_what_ends_is_counted_by_kind_and_status(store: Store, objects: Objects) -> None:
    async def handler(_wanted: Nothing, _attempt: Attempt) -> Output:
        return Output({}, (NewArtifact("a.txt", "text/plain", b"12345"),))

    await submit(store, make_caller())
    (claimed,) = (await claim(store, "w1", ["cpu"], 1, 30)).jobs
    metrics, running = Metrics(), Running(claimed)
    running.task = asyncio.current_task()
    made = Kind(name="noop", queue="cpu", input=Nothing, run=handler)
    await Runner(store, objects, NO_BACKENDS, {"noop": made}, metrics, FakeLibrary()).run_job(running)
    told = metrics.render().decode()
    assert 'arqade_jobs_finished_total{kind="noop",status="succeeded"} 1.0' in told
    assert 'arqade_job_wait_seconds_count{queue="cpu"} 1.0' in told
    assert "arqade_artifact_bytes_total 5.0" in told
