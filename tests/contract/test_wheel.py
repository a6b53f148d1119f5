"""The wheel holds what runs, scripts and data beside the code, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.contract.paths import ROOT, files, project, version


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as the image builds it, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


def members(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def test_it_holds_every_file_of_the_packages(wheel: Path) -> None:
    suffixes = tuple({path.suffix for folder in ("apps", "libs") for path in (ROOT / folder).rglob("*")} - {".pyc", ""})
    wanted = {str(path.relative_to(ROOT)) for path in files("apps", "libs", suffixes=suffixes)}
    assert {name for name in wanted if name.endswith(".lua")}, "scripts are part of it"
    assert wanted <= members(wheel)


def test_it_holds_nothing_but_the_packages(wheel: Path) -> None:
    assert {name.split("/")[0] for name in members(wheel)} == {"apps", "libs", f"arqade-{version()}.dist-info"}


def test_it_brings_the_command_and_the_license(wheel: Path) -> None:
    info = f"arqade-{version()}.dist-info"
    with zipfile.ZipFile(wheel) as opened:
        assert "arqade = apps.cli.main:cli" in opened.read(f"{info}/entry_points.txt").decode()
        assert opened.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()


def test_what_it_requires_is_what_the_project_says(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        told = message_from_bytes(opened.read(f"arqade-{version()}.dist-info/METADATA"))
    required = [line for line in told.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert len(required) == len(project()["project"]["dependencies"])
