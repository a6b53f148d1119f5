"""Stopping an attempt ends its prompt where that was asked, and never anyone else's."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest

from libs.backends.comfyui import ComfyUI
from libs.backends.submission import Submission
from libs.embedded.comfyui_standin import Fault
from libs.errors import Failure
from libs.jobs.status import StopReason
from tests.fakes.attempt import FakeAttempt, stop
from tests.integration.libs.backends.comfyui.bench import PATIENCE, Bench, graph, one_generation, until
from tests.patience import PATIENCE_S
from tests.run.promises import Prompt

LONG = 2_000


@pytest.mark.parametrize("reason", ["canceled", "timed_out"])
async def test_a_running_prompt_is_interrupted_by_its_id(bench: Bench, reason: StopReason) -> None:
    attempt = bench.attempt()
    task = bench.run(attempt, steps=LONG)
    await asyncio.wait_for(attempt.reported.wait(), PATIENCE_S)
    await stop(task, attempt, reason)
    assert task.cancelled()
    await until(lambda: bench.standin.prompts.remaining == 0)
    assert bench.standin.prompts.interrupts == [attempt.submissions[0].ref]
    assert bench.states() == {attempt.submissions[0].ref: "error"}


async def test_a_waiting_prompt_is_taken_out_and_the_running_one_goes_on(bench: Bench) -> None:
    other = bench.run(bench.attempt("job_other"), steps=60, seed=2)
    await until(lambda: bench.runs == 1)
    attempt = bench.attempt()
    task = bench.run(attempt)
    await until(lambda: bench.standin.prompts.remaining == 2)
    await stop(task, attempt, "canceled")
    assert await other
    assert bench.runs == 1
    assert list(bench.states().values()) == ["success"]


@pytest.mark.parametrize("reason", ["released", "lost"])
async def test_a_handed_over_prompt_goes_on(bench: Bench, reason: StopReason) -> None:
    attempt = bench.attempt()
    task = bench.run(attempt, steps=60)
    await asyncio.wait_for(attempt.reported.wait(), PATIENCE_S)
    await stop(task, attempt, reason)
    await until(lambda: bench.standin.prompts.remaining == 0)
    assert list(bench.states().values()) == ["success"]


async def test_a_worker_that_was_frozen_around_the_call_takes_its_prompt_back(bench: Bench) -> None:
    class Frozen(FakeAttempt):
        async def submitted(self, submission: Submission) -> None:
            await super().submitted(submission)
            if len(self.submissions) == 2:  # the second word, after the call: the lease is gone meanwhile
                self.stop_reason = "lost"
                asyncio.current_task().cancel()  # type: ignore[union-attr]
                await asyncio.sleep(0)

    attempt = Frozen(comfyui=bench.comfyui)
    task = bench.run(attempt, steps=LONG)
    await asyncio.wait({task})
    assert task.cancelled()
    await until(lambda: bench.standin.prompts.remaining == 0)
    assert "success" not in bench.states().values()


async def test_a_prompt_that_is_canceled_while_it_is_submitted_does_not_stay_behind(bench: Bench) -> None:
    attempt = bench.attempt()
    attempt.before_submitted = lambda _submission: attempt.reported.set()
    task = bench.run(attempt, steps=LONG)
    await asyncio.wait_for(attempt.reported.wait(), PATIENCE_S)
    await stop(task, attempt, "canceled")
    assert task.cancelled()
    await until(lambda: bench.standin.prompts.remaining == 0)


async def test_a_prompt_that_is_canceled_while_its_answer_drips_in_does_not_stay_behind(bench: Bench) -> None:
    bench.faults(Fault("drip", "/prompt", times=1))
    attempt = bench.attempt()
    task = bench.run(attempt, steps=LONG)
    await until(lambda: bench.standin.prompts.remaining == 1)
    await stop(task, attempt, "canceled")
    assert task.cancelled()
    await until(lambda: bench.standin.prompts.remaining == 0)


async def test_a_resumed_prompt_that_is_canceled_before_it_was_found_ends_too(bench: Bench) -> None:
    attempt = bench.attempt()
    task = bench.run(attempt, steps=LONG)
    await asyncio.wait_for(attempt.reported.wait(), PATIENCE_S)
    await stop(task, attempt, "released")
    following = attempt.next_attempt()
    following.stop_reason = "canceled"
    resumed = bench.run(following, steps=LONG)
    await asyncio.sleep(0)
    resumed.cancel()
    await asyncio.wait({resumed})
    await until(lambda: bench.standin.prompts.remaining == 0)


async def test_a_second_cancellation_does_not_save_the_prompt(bench: Bench) -> None:
    attempt = bench.attempt()
    task = bench.run(attempt, steps=LONG)
    await asyncio.wait_for(attempt.reported.wait(), PATIENCE_S)
    attempt.stop_reason = "canceled"
    task.cancel()
    while not bench.comfyui._farewells:  # it takes but a moment
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    await until(lambda: bench.standin.prompts.remaining == 0)


async def test_a_backend_that_does_not_answer_holds_up_the_end_for_a_moment_only(bench: Bench, prompt: Prompt) -> None:
    attempt = bench.attempt()
    task = bench.run(attempt, steps=100)
    await asyncio.wait_for(attempt.reported.wait(), PATIENCE_S)
    bench.faults(Fault("hang", "/"))
    with prompt(3):
        await stop(task, attempt, "canceled")
        assert task.cancelled()


async def test_what_shows_no_sign_of_life_is_ended_at_the_backend_and_not_begun_again(bench: Bench) -> None:
    bench.comfyui._timeout_s = 0.2
    bench.faults(Fault("silent"))
    attempt = bench.attempt()
    task = bench.run(attempt, steps=LONG)
    await asyncio.wait({task})
    failure = task.exception()
    assert isinstance(failure, Failure)
    assert (failure.code, failure.retryable) == ("backend_timeout", False)
    await until(lambda: bench.standin.prompts.remaining == 0)
    assert bench.standin.prompts.interrupts == [attempt.submissions[0].ref]


async def test_what_makes_progress_takes_as_long_as_it_takes(bench: Bench) -> None:
    bench.comfyui._timeout_s = 0.4
    assert await bench.run(bench.attempt(), steps=200)  # a second and more
    assert bench.runs == 1


async def test_what_waits_behind_others_in_the_backends_own_queue_is_not_timed_out(bench: Bench) -> None:
    bench.comfyui._timeout_s = 0.4
    bench.standin.prompts.put("00000000-0000-5000-8000-00000000000f", graph(steps=300, seed=9), None)
    assert await bench.run(bench.attempt())
    assert bench.runs == 2


@one_generation
async def test_a_server_that_takes_prompts_and_runs_none_is_stuck_and_sidelined(bench: Bench) -> None:
    bench.faults(Fault("dead_runner"))
    heard: list[str] = []
    stuck = ComfyUI(bench.url, 20, patience=replace(PATIENCE, idle_s=0.3), health=Listening(heard))
    with pytest.raises(Failure) as caught:
        await stuck.run(graph(), bench.attempt())
    assert (caught.value.code, caught.value.retryable) == ("backend_stuck", True)
    assert heard == ["backend_stuck"]
    assert bench.standin.prompts.remaining == 0
    await stuck.aclose()


@one_generation
async def test_a_server_that_does_not_end_what_it_runs_is_stuck(bench: Bench) -> None:
    bench.faults(Fault("silent"), Fault("deaf_node"))
    heard: list[str] = []
    stuck = ComfyUI(bench.url, 0.2, patience=replace(PATIENCE, ending_s=0.3), health=Listening(heard))
    with pytest.raises(Failure) as caught:
        await stuck.run(graph(steps=LONG), bench.attempt())
    assert (caught.value.code, heard) == ("backend_stuck", ["backend_stuck"])
    await stuck.aclose()


@dataclass
class Listening:
    """Implements Health."""

    sidelined: list[str]

    async def heard(self, *, good: bool) -> None:
        """Nothing to do."""

    async def sideline(self, why: str) -> None:
        self.sidelined.append(why)


async def test_a_submission_that_nobody_resumes_can_be_ended(bench: Bench) -> None:
    attempt = bench.attempt()
    task = bench.run(attempt, steps=LONG)
    await asyncio.wait_for(attempt.reported.wait(), PATIENCE_S)
    await stop(task, attempt, "released")
    await bench.comfyui.end(attempt.submissions[-1])
    await until(lambda: bench.standin.prompts.remaining == 0)
    assert list(bench.states().values()) == ["error"]


@pytest.mark.parametrize("moment_ms", range(0, 60, 6))
async def test_at_whatever_moment_it_is_canceled_nothing_stays_behind(bench: Bench, moment_ms: int) -> None:
    attempt = bench.attempt()
    task = bench.run(attempt, steps=LONG)
    await asyncio.sleep(moment_ms / 1_000)
    await stop(task, attempt, "canceled")
    assert task.cancelled()
    await until(lambda: bench.standin.prompts.remaining == 0)


@pytest.mark.parametrize("moment_ms", range(0, 60, 6))
async def test_at_whatever_moment_it_is_released_the_prompt_runs_once(bench: Bench, moment_ms: int) -> None:
    attempt = bench.attempt()
    task = bench.run(attempt, steps=8)
    await asyncio.sleep(moment_ms / 1_000)
    await stop(task, attempt, "released")
    assert await bench.run(attempt.next_attempt(), steps=8)
    assert bench.runs == 1
