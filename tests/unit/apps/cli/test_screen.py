from __future__ import annotations

from pathlib import Path

import pytest

from apps.cli.infra import settings_lines
from apps.cli.screen import shell_path


@pytest.mark.parametrize(
    "path, shown",
    [("data/admin.key", "data/admin.key"), ("my data/admin.key", "'my data/admin.key'"), ("it's", "'it'\"'\"'s'")],
)
def test_a_path_can_be_pasted_into_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, shown: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shell_path(Path(path)) == shown
    assert shell_path(tmp_path / path) == shown


def test_a_path_far_away_is_told_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shell_path(Path("/var/lib/arqade")) == "/var/lib/arqade"


def test_settings_are_a_line_each() -> None:
    assert settings_lines({"A": "1", "B": "x=y"}) == "A=1\nB=x=y\n"
