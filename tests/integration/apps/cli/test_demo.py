from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from apps.cli import demo_walk
from tests.fakes.processes import eventually, processes_in
from tests.system import START_S, System, arqade

SAMPLES = Path(demo_walk.__file__).parent / "samples"


def test_reads_the_page_draws_the_picture_and_leaves_nothing_running(tmp_path: Path) -> None:
    with arqade(tmp_path, "demo") as command:
        assert command.ended(within_s=2 * START_S) == 0, command.said
    read = (tmp_path / "arqade-demo").glob("ocr-*.txt")
    text = command.err.read_text() + "".join(path.read_text() for path in read)
    assert "Notes on a queue that is fair" in text
    (picture,) = (tmp_path / "arqade-demo").glob("generate-*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "curl" in command.err.read_text()
    assert processes_in(tmp_path) == {}


def test_the_lines_it_prints_do_the_same_by_hand(system: System, tmp_path: Path) -> None:
    lines = (SAMPLES / "by-hand.sh").read_text().replace("@SCANNED_PAGE@", f"'{SAMPLES}/scanned-page.jpg'")
    first, rest = lines.split("\n", 1)
    assert first.startswith("URL=")
    there = f'URL={system.url}  ADMIN="Authorization: Bearer {system.admin_key}"\n'
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", there + rest],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('"status":"succeeded"') >= 2, done.stdout
    assert "event: done" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("line", ["", "made the user"])
def test_interrupted_it_leaves_no_process(tmp_path: Path, line: str, number: signal.Signals) -> None:
    with arqade(tmp_path, "demo") as command:
        eventually(lambda: len(processes_in(tmp_path)) > 1 and line in command.err.read_text(), within_s=START_S)
        command.signal(number)
        assert command.ended() == 130, command.said
        eventually(lambda: not processes_in(tmp_path))
