"""A prompt runs once, whatever becomes of the workers that wait for it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from libs.backends.comfyui import ComfyUI
from libs.backends.comfyui.run import prompt_id_of
from libs.backends.submission import Submission
from libs.embedded.comfyui_standin import Fault
from libs.errors import Failure, Unavailable
from tests.fakes.attempt import FakeAttempt, stop
from tests.integration.libs.backends.comfyui.bench import PATIENCE, Bench, graph, one_generation, until
from tests.patience import PATIENCE_S


async def released_in_the_middle(bench: Bench) -> FakeAttempt:
    """An attempt whose worker went away while the prompt was running."""
    attempt = bench.attempt()
    task = bench.run(attempt, steps=60)
    await asyncio.wait_for(attempt.reported.wait(), PATIENCE_S)
    await stop(task, attempt, "released")
    assert task.cancelled()
    return attempt


async def test_the_submission_is_on_record_before_the_backend_is_called(bench: Bench) -> None:
    attempt = bench.attempt()
    seen: list[int] = []
    attempt.before_submitted = lambda _submission: seen.append(bench.standin.prompts.remaining + bench.runs)
    await bench.run(attempt)
    assert seen[0] == 0
    assert attempt.submissions[0] == Submission("comfyui", prompt_id_of(attempt.job_id, 1), 1)


async def test_a_running_prompt_is_attached_to_and_runs_once(bench: Bench) -> None:
    attempt = await released_in_the_middle(bench)
    following = attempt.next_attempt()
    files = await bench.run(following, steps=60)
    assert [file.name.endswith(".png") for file in files] == [True]
    assert bench.runs == 1
    assert bench.standin.prompts.interrupts == []
    assert following.submissions == []


async def test_progress_and_previews_go_on_for_whoever_attaches(bench: Bench) -> None:
    following = (await released_in_the_middle(bench)).next_attempt()
    await bench.run(following, steps=60)
    assert following.reports[-1] == (60, 60, "sampling")
    assert following.previews


async def test_a_waiting_prompt_is_attached_to_and_runs_once(bench: Bench) -> None:
    other = bench.run(bench.attempt("job_other"), steps=40, seed=2)
    await until(lambda: bench.runs == 1)
    attempt = bench.attempt()
    task = bench.run(attempt)
    await until(lambda: bench.standin.prompts.remaining == 2)
    await stop(task, attempt, "lost")
    assert await bench.run(attempt.next_attempt())
    await other
    assert bench.runs == 2


async def test_a_finished_prompt_is_fetched_not_run_again(bench: Bench) -> None:
    attempt = await released_in_the_middle(bench)
    await until(lambda: len(bench.states()) == 1)
    assert await bench.run(attempt.next_attempt())
    assert bench.runs == 1


async def test_a_lost_prompt_is_submitted_again_under_the_next_number(bench: Bench) -> None:
    attempt = await released_in_the_middle(bench)
    await until(lambda: len(bench.states()) == 1)
    bench.standin.prompts.forget_all()
    following = attempt.next_attempt()
    assert await bench.run(following)
    assert following.submissions[0] == Submission("comfyui", prompt_id_of(attempt.job_id, 2), 2)
    assert bench.runs == 2


async def test_a_prompt_that_failed_for_the_last_attempt_is_submitted_again(bench: Bench) -> None:
    bench.faults(Fault("error", times=1))
    attempt = bench.attempt()
    with pytest.raises(Failure, match="execution_failed"):
        await bench.run(attempt)
    following = attempt.next_attempt()
    assert await bench.run(following)
    assert following.submissions[0].number == 2


@one_generation
@pytest.mark.parametrize("fault", ["wrong_bytes", "half_bytes"])
async def test_bad_files_of_the_last_attempt_are_not_fetched_again_and_again(bench: Bench, fault: str) -> None:
    bench.faults(Fault(fault, times=1))
    attempt = bench.attempt()
    with pytest.raises(Failure) as caught:
        await bench.run(attempt)
    assert (caught.value.code, caught.value.retryable) == ("backend_output_invalid", True)
    assert await bench.run(attempt.next_attempt())


@pytest.mark.parametrize("fault", ["vanish", "forget", "files_gone"])
async def test_what_is_gone_is_submitted_again_at_once(bench: Bench, fault: str) -> None:
    bench.faults(Fault(fault, times=1))
    attempt = bench.attempt()
    assert await bench.run(attempt)
    assert [submission.number for submission in attempt.submissions] == [1, 1, 2, 2]
    assert bench.runs == 2


async def test_a_run_without_files_is_a_success_that_says_so(bench: Bench) -> None:
    bench.faults(Fault("no_outputs"))
    outcome = await bench.comfyui.run(graph(), bench.attempt())
    assert (outcome.files, outcome.warnings) == ((), ("the workflow ended well and left no files",))
    assert bench.runs == 1


async def test_what_somebody_interrupts_at_the_backend_ends_once(bench: Bench) -> None:
    bench.faults(Fault("interrupted"))
    with pytest.raises(Failure) as caught:
        await bench.run(bench.attempt())
    assert (caught.value.code, caught.value.retryable) == ("interrupted_at_backend", False)
    assert bench.runs == 1


@one_generation
async def test_what_is_interrupted_is_tried_again_where_the_operator_says_so(bench: Bench) -> None:
    bench.faults(Fault("interrupted", times=1))
    again = ComfyUI(bench.url, 20, patience=replace(PATIENCE, interrupted_again=True))
    attempt = bench.attempt()
    with pytest.raises(Failure) as caught:
        await again.run(graph(), attempt)
    assert caught.value.retryable
    assert (await again.run(graph(), attempt.next_attempt())).files
    await again.aclose()


PREVIEWED: dict[str, Any] = {**graph(), "save-0": {"class_type": "PreviewImage", "inputs": {"images": ["decode-0", 0]}}}


async def test_a_file_that_is_gone_while_the_cache_tells_of_it_is_made_anew_once(bench: Bench) -> None:
    """As after a job that cleans the server's folder of temporary files."""
    assert await bench.files(PREVIEWED, bench.attempt("job_a"))
    bench.standin.routes.files.clear()
    (file,) = await bench.files(PREVIEWED, bench.attempt("job_b"))
    assert (file.folder, file.node) == ("temp", "save-0")
    assert bench.runs == 3


async def test_a_file_that_is_gone_again_and_again_is_said_so_after_two_runs(bench: Bench) -> None:
    bench.faults(Fault("files_gone"))
    with pytest.raises(Failure) as caught:
        await bench.run(bench.attempt())
    assert (caught.value.code, caught.value.retryable) == ("output_lost", False)
    assert "node save-0" in caught.value.detail
    assert bench.runs == 2


async def test_a_picture_that_is_only_sent_over_the_socket_is_kept(bench: Bench) -> None:
    sent = {**graph(), "save-0": {"class_type": "SaveImageWebsocket", "inputs": {"images": ["decode-0", 0]}}}
    (file,) = await bench.files(sent, bench.attempt("job_a"))
    assert (file.node, file.folder, file.head[:4]) == ("save-0", "socket", b"\x89PNG")
    bench.faults(Fault("mute", times=1))
    assert len(await bench.files(sent, bench.attempt("job_b"))) == 1
    assert bench.runs == 3


async def test_what_is_gone_each_time_is_given_up(bench: Bench) -> None:
    bench.faults(Fault("vanish"))
    with pytest.raises(Failure) as caught:
        await bench.run(bench.attempt())
    assert (caught.value.code, caught.value.retryable, caught.value.fault) == ("backend_lost", False, "ours")
    assert bench.runs == 3


@one_generation
@pytest.mark.parametrize("fault", ["deaf", "cut", "huge", "huge_declared", "drip"])
async def test_a_submission_without_a_readable_answer_is_looked_up_not_repeated(bench: Bench, fault: str) -> None:
    bench.faults(Fault(fault, "/prompt", times=1))
    assert await bench.run(bench.attempt(), steps=8)
    assert bench.runs == 1


async def test_a_submission_that_never_arrived_leaves_the_job_waiting(bench: Bench) -> None:
    bench.faults(Fault("hang", "/prompt", times=1))
    attempt = bench.attempt()
    with pytest.raises(Unavailable):
        await bench.run(attempt)
    assert bench.runs == 0
    following = attempt.next_attempt()
    assert await bench.run(following)
    assert following.submissions[0].number == 2
    assert bench.runs == 1


async def test_two_jobs_with_the_same_graph_both_get_files_of_their_own(bench: Bench) -> None:
    first, second = await bench.run(bench.attempt("job_a")), await bench.run(bench.attempt("job_b"))
    assert first[0].name != second[0].name
    assert first[0].data == second[0].data
