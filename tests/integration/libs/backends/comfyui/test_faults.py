"""Whatever a backend does, the client answers in the vocabulary of libs.errors, soon, and passes no secrets on."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

from libs.backends.comfyui import ComfyUI
from libs.backends.comfyui import run as run_module
from libs.embedded.comfyui_standin import Fault
from libs.embedded.comfyui_standin.faults import NAMES
from libs.errors import Failure, Unavailable
from tests.integration.libs.backends.comfyui.bench import PATIENCE, Bench, graph, one_generation, until
from tests.run.promises import Prompt

SECRETS = re.compile(r"127\.0\.0\.1|localhost|Traceback|File \"|execution\.py|https?://")


@one_generation
async def test_without_a_url_the_job_waits(bench: Bench) -> None:
    nowhere = ComfyUI(None)
    with pytest.raises(Unavailable, match="COMFYUI_URL is not set"):
        await nowhere.run(graph(), bench.attempt())
    with pytest.raises(Unavailable):
        await nowhere.object_info()
    with pytest.raises(Unavailable):
        await nowhere.version()
    await nowhere.aclose()


@pytest.mark.parametrize("url", ["http://", "localhost:8188", "ftp://host", "http://host:port"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="the address of comfyui"):
        ComfyUI(url)


@one_generation
async def test_a_backend_that_is_not_there_is_unavailable(bench: Bench) -> None:
    closed = ComfyUI("http://127.0.0.1:9", patience=PATIENCE)
    attempt = bench.attempt()
    with pytest.raises(Unavailable) as caught:
        await closed.run(graph(), attempt)
    assert caught.value.part == "comfyui"
    assert not SECRETS.search(str(caught.value))
    with pytest.raises(Unavailable):
        await closed.version()
    await closed.aclose()


@one_generation
@pytest.mark.parametrize(
    "fault", ["hang", "status_500", "html", "garbage", "cut", "deaf", "drip", "huge", "huge_declared"]
)
async def test_an_ailing_backend_does_not_say_what_it_is_or_offers(bench: Bench, fault: str, prompt: Prompt) -> None:
    bench.faults(Fault(fault))
    with prompt(3):
        with pytest.raises(Unavailable):
            await bench.comfyui.version()
        with pytest.raises(Unavailable) as caught:
            await bench.comfyui.object_info()
        assert not SECRETS.search(str(caught.value))


@one_generation
@pytest.mark.parametrize("fault", ["html", "garbage"])
async def test_nonsense_in_answer_to_a_submission_leaves_the_job_waiting(bench: Bench, fault: str) -> None:
    bench.faults(Fault(fault, "/prompt"))
    with pytest.raises(Unavailable):
        await bench.run(bench.attempt())


@one_generation
async def test_a_backend_that_chokes_on_a_graph_uses_an_attempt(bench: Bench) -> None:
    bench.faults(Fault("status_500", "/prompt"))
    with pytest.raises(Failure) as caught:
        await bench.run(bench.attempt())
    assert (caught.value.code, caught.value.retryable) == ("backend_error", True)


@pytest.mark.parametrize("fault", ["hang", "status_500", "html", "garbage", "cut", "deaf"])
async def test_a_backend_that_is_away_for_a_moment_is_waited_for(bench: Bench, fault: str) -> None:
    bench.faults(Fault(fault, "/api/jobs", times=1), Fault(fault, "/queue", times=1))
    assert await bench.run(bench.attempt())
    assert bench.runs == 1


async def test_a_backend_that_stays_away_gives_the_job_back(bench: Bench) -> None:
    bench.faults(Fault("status_500", "/api/jobs"), Fault("status_500", "/queue"))
    with pytest.raises(Unavailable):
        await bench.run(bench.attempt(), steps=8)


@one_generation
@pytest.mark.parametrize(
    "fault,outcome",
    [
        ("hang", "unavailable"),
        ("status_500", "unavailable"),
        ("cut", "unavailable"),
        ("deaf", "unavailable"),
        ("drip", "unavailable"),
        ("html", "backend_output_invalid"),
        ("garbage", "backend_output_invalid"),
        ("huge", "output_too_large"),
        ("huge_declared", "output_too_large"),
    ],
)
async def test_files_that_do_not_come_whole_are_not_taken(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, fault: str, outcome: str
) -> None:
    monkeypatch.setattr(run_module, "OUTPUT_BYTES_MAX", 4_000_000)
    bench.faults(Fault(fault, "/view"))
    with pytest.raises((Unavailable, Failure)) as caught:
        await bench.run(bench.attempt())
    assert getattr(caught.value, "code", "unavailable") == outcome
    assert bench.runs == 1


@one_generation
async def test_a_file_at_the_ceiling_is_taken_and_one_past_it_is_not(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len((await bench.run(bench.attempt("job_a")))[0].data)
    monkeypatch.setattr(run_module, "OUTPUT_BYTES_MAX", size)
    assert await bench.run(bench.attempt("job_b"))
    monkeypatch.setattr(run_module, "OUTPUT_BYTES_MAX", size - 1)
    with pytest.raises(Failure, match="output_too_large"):
        await bench.run(bench.attempt("job_c"))


@pytest.mark.parametrize("fault", ["drop", "mute", "gibberish"])
async def test_a_job_survives_its_socket(bench: Bench, fault: str) -> None:
    bench.faults(Fault(fault, times=1))
    attempt = bench.attempt()
    assert await bench.run(attempt, steps=20)
    assert bench.runs == 1


@one_generation
async def test_a_dropped_socket_is_opened_again(bench: Bench) -> None:
    bench.faults(Fault("drop", times=1))
    attempt = bench.attempt()
    assert await bench.run(attempt, steps=40)
    assert attempt.reports[-1] == (40, 40, "sampling")


@one_generation
async def test_a_socket_that_never_opens_costs_only_the_progress(bench: Bench) -> None:
    bench.faults(Fault("hang", "/ws"))
    attempt = bench.attempt()
    assert await bench.run(attempt)
    assert attempt.reports == []


async def test_a_failing_node_is_named_without_its_traceback(bench: Bench) -> None:
    bench.faults(Fault("error"))
    with pytest.raises(Failure) as caught:
        await bench.run(bench.attempt())
    failure = caught.value
    assert (failure.code, failure.retryable, failure.fault) == ("execution_failed", False, "ours")
    assert failure.detail == "node sampler-0 (KSampler) failed: RuntimeError: mat1 and mat2 shapes cannot be multiplied"


@one_generation
async def test_out_of_memory_has_the_backend_free_some(bench: Bench) -> None:
    bench.faults(Fault("out_of_memory"))
    with pytest.raises(Failure) as caught:
        await bench.run(bench.attempt())
    assert (caught.value.code, caught.value.retryable) == ("out_of_memory", True)
    assert bench.standin.routes.frees == 1


async def test_a_graph_that_is_accepted_in_part_is_ended_and_fails(bench: Bench) -> None:
    bench.faults(Fault("partial"))
    with pytest.raises(Failure) as caught:
        await bench.run(bench.attempt(), steps=2_000)
    assert (caught.value.code, caught.value.retryable) == ("workflow_invalid", False)
    await until(lambda: bench.standin.prompts.remaining == 0)
    assert "success" not in bench.states().values()


@one_generation
async def test_a_refusal_with_a_traceback_in_it_is_told_without(bench: Bench) -> None:
    bench.faults(Fault("traceback"))
    with pytest.raises(Failure) as caught:
        await bench.run(bench.attempt())
    assert caught.value.code == "workflow_invalid"
    assert not SECRETS.search(caught.value.detail)


@one_generation
async def test_a_name_that_the_backend_does_not_have_is_the_callers_fault(bench: Bench) -> None:
    attempt = bench.attempt()
    with pytest.raises(Failure) as caught:
        await bench.comfyui.run(graph(sampler="euler_b"), attempt)
    failure = caught.value
    assert (failure.code, failure.retryable, failure.fault) == ("workflow_invalid", False, "caller")
    assert "euler_b" in failure.detail


@one_generation
async def test_a_node_class_that_is_not_there_is_ours(bench: Bench) -> None:
    missing = {**graph(), "save": {"class_type": "SaveEverything", "inputs": {}}}
    with pytest.raises(Failure) as caught:
        await bench.comfyui.run(missing, bench.attempt())
    assert (caught.value.code, caught.value.fault) == ("workflow_invalid", "ours")
    assert "SaveEverything" in caught.value.detail


def test_every_fault_of_the_stand_in_is_used_by_a_test(request: pytest.FixtureRequest) -> None:
    texts = "".join(path.read_text() for path in Path(_file(request.module)).parent.glob("test_*.py"))
    assert [name for name in NAMES if f'"{name}"' not in texts] == []


def _file(module: ModuleType) -> str:
    assert module.__file__
    return module.__file__
