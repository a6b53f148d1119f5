from __future__ import annotations

from typing import Any

import pytest

from libs.backends.comfyui.record import UNKNOWN, read_history, read_job, read_queue
from libs.errors import Unavailable

ERROR = {"node_id": "7", "node_type": "KSampler", "exception_message": "no\nTraceback", "traceback": ["File x"]}
OUTPUTS = {"9": {"images": [{"filename": "a.png", "subfolder": "", "type": "output"}]}}


def entry(status: str, *messages: list[Any]) -> dict[str, Any]:
    return {"p": {"outputs": OUTPUTS, "status": {"status_str": status, "completed": True, "messages": list(messages)}}}


@pytest.mark.parametrize("word,state", [("pending", "pending"), ("in_progress", "running")])
def test_a_job_that_lives_is_alive(word: str, state: str) -> None:
    record = read_job({"id": "p", "status": word})
    assert (record.state, record.alive) == (state, True)


def test_a_completed_job_has_its_outputs() -> None:
    record = read_job({"status": "completed", "outputs": OUTPUTS, "execution_status": {"messages": []}})
    assert (record.state, record.alive, record.outputs) == ("completed", False, OUTPUTS)


def test_an_interrupted_job_is_told_apart_from_a_failed_one() -> None:
    messages = {"messages": [["execution_start", {}], ["execution_interrupted", {"node_id": "7"}]]}
    assert read_job({"status": "failed", "execution_status": messages}).state == "interrupted"
    assert read_job({"status": "cancelled"}).state == "interrupted"
    assert read_job({"status": "failed", "execution_error": ERROR}).error == ERROR


@pytest.mark.parametrize("job", [{}, {"status": 7}, {"status": "dreaming"}])
def test_a_job_in_words_we_do_not_know_is_a_backend_out_of_its_mind(job: dict[str, Any]) -> None:
    with pytest.raises(Unavailable):
        read_job(job)


def test_both_generations_tell_the_same() -> None:
    status = {"status_str": "error", "messages": [["execution_error", ERROR]]}
    older = read_history({"p": {"outputs": OUTPUTS, "status": status}}, "p")
    newest = read_job({"status": "failed", "outputs": OUTPUTS, "execution_status": status, "execution_error": ERROR})
    assert older == newest


def test_history_knows_only_what_has_ended() -> None:
    assert read_history({}, "p") == UNKNOWN
    assert read_history({"q": {}}, "p") == UNKNOWN
    assert read_history(entry("success"), "p").state == "completed"
    assert read_history(entry("error", ["execution_interrupted", {}]), "p").state == "interrupted"


def test_the_queue_knows_what_runs_and_what_waits() -> None:
    queue = {"queue_running": [[1, "a", {}, {}, []]], "queue_pending": [[2, "b", {}, {}, []], "nonsense"]}
    assert [read_queue(queue, ref).state for ref in "abc"] == ["running", "pending", "unknown"]


@pytest.mark.parametrize("queue", [{}, {"queue_running": []}, {"queue_running": {}, "queue_pending": []}])
def test_a_queue_that_is_none_is_not_taken_for_an_empty_one(queue: dict[str, Any]) -> None:
    with pytest.raises(Unavailable):
        read_queue(queue, "p")


def test_a_failure_tells_node_and_message_and_no_traceback() -> None:
    failure = read_history(entry("error", ["execution_error", ERROR]), "p").failure()
    assert failure.detail == "node 7 (KSampler) failed: error: no"
    assert not failure.retryable


@pytest.mark.parametrize(
    "kind,message,again",
    [
        ("RuntimeError", "mat1 and mat2 shapes cannot be multiplied", False),
        ("FileNotFoundError", "[Errno 2] No such file", False),
        ("aiohttp.ClientConnectorError", "Cannot connect: Connection refused", True),
        ("builtins.TimeoutError", "", True),
    ],
)
def test_an_error_that_would_only_come_again_is_not_tried_again(kind: str, message: str, again: bool) -> None:
    told = ["execution_error", {**ERROR, "exception_type": kind, "exception_message": message}]
    failure = read_history(entry("error", told), "p").failure()
    assert failure.retryable is again
    assert kind.rpartition(".")[2] in failure.detail


@pytest.mark.parametrize(
    "error",
    [
        {"exception_type": "torch.OutOfMemoryError", "exception_message": "x"},
        {"exception_type": "RuntimeError", "exception_message": "CUDA out of memory. Tried to allocate 2 GiB"},
        {"exception_message": "Allocation on device"},
    ],
)
def test_out_of_memory_is_known_by_type_and_by_message(error: dict[str, Any]) -> None:
    record = read_history(entry("error", ["execution_error", error]), "p")
    assert record.out_of_memory
    assert record.failure().code == "out_of_memory"


def test_garbage_in_a_history_entry_is_an_empty_one() -> None:
    garbage: list[Any] = [None, [], {"messages": None}, {"messages": [7, [], ["x"], ["y", 1], [1, {}]]}]
    for status in garbage:
        record = read_history({"p": {"outputs": [], "status": status}}, "p")
        assert (record.state, record.outputs, record.error) == ("completed", {}, {})
