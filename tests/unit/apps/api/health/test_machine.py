from __future__ import annotations

from pathlib import Path

import pytest

from apps.api.health.machine import Load, Machine


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "stat").write_text("cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 1\n")
    (tmp_path / "meminfo").write_text("MemTotal:       1000 kB\nMemFree:  1 kB\nMemAvailable:    250 kB\n")
    return tmp_path


def test_the_processors_share_is_that_since_the_last_look(proc: Path) -> None:
    clock = Clock()
    machine = Machine(proc, proc / "none", clock)
    (proc / "stat").write_text("cpu  130 0 100 760 110 0 0 0 90 0\n")
    assert machine.load().cpu == pytest.approx(0.3)
    (proc / "stat").write_text("cpu  230 0 100 760 110 0 0 0 90 0\n")
    assert machine.load().cpu == pytest.approx(0.3), "looked at a moment ago"
    clock.now += 1
    assert machine.load().cpu == pytest.approx(1.0)


def test_memory_is_what_cannot_be_had(proc: Path) -> None:
    load = Machine(proc, proc / "none").load()
    assert (load.memory_bytes, load.memory_used_bytes) == (1_024_000, 768_000)
    assert load.memory == pytest.approx(0.75)


@pytest.mark.parametrize("ceiling, used", [("2000", 1_500), ("max", 768_000)])
def test_in_a_container_with_a_ceiling_memory_is_its_own(proc: Path, tmp_path: Path, ceiling: str, used: int) -> None:
    (tmp_path / "memory.max").write_text(ceiling + "\n")
    (tmp_path / "memory.current").write_text("1500\n")
    assert Machine(proc, tmp_path).load().memory_used_bytes == used


def test_where_nothing_tells_nothing_is_known(tmp_path: Path) -> None:
    assert Machine(tmp_path, tmp_path).load() == Load(None, None, None)
    assert Load(None, None, None).memory is None
