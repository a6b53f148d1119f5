from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from libs.embedded.part import Part, wait_until_answering
from libs.embedded.process import Child, StartError, end_leftover, start_child
from tests.fakes.processes import eventually, processes_in

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)",
]
PARENT_OF_TWO = [
    sys.executable,
    "-c",
    "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])",
]


def start(folder: Path, command: list[str], pid_file: Path | None = None) -> Child:
    return start_child("it", command, log=folder / "it.log", environment={}, folder=folder, pid_file=pid_file)


def test_asked_to_stop_it_ends(tmp_path: Path) -> None:
    child = start(tmp_path, SLEEP)
    assert child.running
    assert child.stop(grace_s=5) == -signal.SIGTERM
    assert not child.running


def test_deaf_to_the_question_it_is_killed_after_its_grace(tmp_path: Path) -> None:
    child = start(tmp_path, DEAF)
    eventually(lambda: child.last_words == "deaf")
    assert child.stop(grace_s=0.2) == -signal.SIGKILL


def test_stopping_it_ends_what_it_started(tmp_path: Path) -> None:
    child = start(tmp_path, PARENT_OF_TWO)
    eventually(lambda: len(processes_in(tmp_path)) == 2)
    child.stop(grace_s=5)
    eventually(lambda: not processes_in(tmp_path))


def test_when_its_starter_is_killed_it_dies_too(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from libs.embedded.process import start_child\n"
        f"start_child('it', {SLEEP!r}, log=Path('it.log'), environment={{}}); time.sleep(600)"
    )
    root = str(Path(__file__).parents[4])
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": root}) as starter:
        eventually(lambda: len(processes_in(tmp_path)) == 2)
        starter.kill()
    eventually(lambda: not processes_in(tmp_path))


def test_one_whose_starter_is_gone_before_it_begins_does_not_begin(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from libs.embedded.process import start_child\n"
        f"start_child('it', {SLEEP!r}, log=Path('it.log'), environment={{}}); os._exit(0)"
    )
    subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(Path(__file__).parents[4])}, check=True
    )
    eventually(lambda: not processes_in(tmp_path))


def test_a_leftover_of_an_earlier_run_is_ended_before_the_next_starts(tmp_path: Path) -> None:
    pid_file = tmp_path / "it.pid"
    first = start(tmp_path, DEAF, pid_file)
    second = start(tmp_path, SLEEP, pid_file)
    assert not first.running
    assert second.running
    assert pid_file.read_text().startswith(f"{second.pid} ")
    first.kill()
    second.stop(grace_s=5)
    assert not pid_file.exists()


def test_a_process_that_only_got_the_same_id_is_left_alone(tmp_path: Path) -> None:
    child = start(tmp_path, SLEEP)
    pid_file = tmp_path / "old.pid"
    pid_file.write_text(f"{child.pid} 12345\n")
    end_leftover(pid_file)
    assert child.running
    child.kill()


@pytest.mark.parametrize("text", ["", "x", "1 2 3", "12", "not a number"])
def test_a_pid_file_that_says_nothing_is_passed_over(tmp_path: Path, text: str) -> None:
    pid_file = tmp_path / "it.pid"
    pid_file.write_text(text)
    end_leftover(pid_file)


def test_a_program_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    part = Part("it", lambda: start(tmp_path, [str(tmp_path / "no such program")]), lambda: False)
    with pytest.raises(StartError, match=r"it ended with status 1: .*No such file or directory"):
        wait_until_answering(part, part.spawn())


def test_a_part_that_never_answers_is_given_up(tmp_path: Path) -> None:
    part = Part("it", lambda: start(tmp_path, SLEEP), lambda: False, start_timeout_s=0.2)
    child = part.spawn()
    with pytest.raises(StartError, match=r"did not answer within 0\.2 s"):
        wait_until_answering(part, child)
    child.kill()


def test_its_environment_holds_nothing_of_ours(tmp_path: Path) -> None:
    child = start(tmp_path, [sys.executable, "-c", "import os; print(sorted(os.environ))"])
    eventually(lambda: not child.running)
    child.kill()
    assert "PATH" in os.environ
    assert "PATH" not in child.last_words
