"""The house keeps its order: names, sizes, words, and nothing of the machine that it was written on."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.contract.paths import ROOT, files

LINES_MAX = 400
HOMELESS = {"utils", "util", "helpers", "helper", "common", "core", "base", "manager", "service", "services", "misc"}

SOURCES = sorted(files("apps", "libs", suffixes=(".py", ".lua")))
CODE = sorted(files("apps", "libs", "tests", suffixes=(".py", ".lua")))
TEXTS = sorted(
    files(suffixes=(".py", ".lua", ".md", ".yml", ".yaml", ".toml", ".env", ".sh", ".service", ".example", ".lock"))
)


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def offenders(paths: list[Path], pattern: str) -> list[str]:
    """Where a pattern occurs: path:line."""
    wanted = re.compile(pattern)
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if wanted.search(line)
    ]


def test_every_package_says_what_it_is_for() -> None:
    folders = {path.parent for path in files("apps", "libs", suffixes=(".py",))}
    silent = [
        str(folder.relative_to(ROOT))
        for folder in folders
        if not (init := folder / "__init__.py").exists() or not ast.get_docstring(ast.parse(init.read_text()))
    ]
    assert not silent


def test_no_file_outgrows_a_reader() -> None:
    assert not [name for path, name in zip(CODE, names(CODE), strict=True) if lines_of(path) > LINES_MAX]


def lines_of(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_no_room_is_named_after_nothing() -> None:
    assert not [name for name in names(SOURCES) if HOMELESS.intersection(re.split(r"[/._]", name))]


def test_nothing_is_left_for_later() -> None:
    assert not offenders(TEXTS, r"\b(TO" + "DO|FIX" + r"ME)\b")


def test_canceled_is_spelled_with_one_l() -> None:
    """Other people's words stay theirs: asyncio's names, and what ComfyUI answers."""
    assert not offenders(CODE, r"(?i)(?<!\")cancel" + r"led(?!Error|\(\))")
    assert not offenders([path for path in CODE if "comfyui" not in str(path)], r"\"cancel" + r"led\"")


def test_no_machine_shines_through() -> None:
    homes = "work|root|home/[a-z]+|Users/[A-Za-z]+"
    assert not offenders(TEXTS, rf"(?<![\w.*])/(?:{homes})(?:/|\b)(?!-)")


def test_locks_name_no_address() -> None:
    assert not offenders(sorted(files(suffixes=(".lock",))), r"://|--(?:extra-)?index-url [^\\]")


def test_unit_tests_mirror_the_tree() -> None:
    orphans = [name for path in files("tests/unit", suffixes=(".py",)) if (name := orphan(path))]
    assert not orphans


def orphan(test: Path) -> str | None:
    """A unit test's path when there is nothing at the place that it mirrors."""
    if not test.name.startswith("test_"):
        return None
    place = ROOT / test.relative_to(ROOT / "tests" / "unit").parent / test.stem.removeprefix("test_")
    exists = place.is_dir() or place.with_suffix(".py").exists()
    return None if exists else str(test.relative_to(ROOT))


def test_only_settings_read_the_environment() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for path in files("apps", "libs", suffixes=(".py",))
        if re.search(r"\bos\.(getenv|environ\.get|environ\[)(?!\(\"PYTHONPATH)", path.read_text())
    }
    assert readers <= {"apps/settings.py"}


def test_every_script_opens_with_what_it_does() -> None:
    assert not [name for path, name in zip(SOURCES, names(SOURCES), strict=True) if is_silent_script(path)]


def is_silent_script(path: Path) -> bool:
    return path.suffix == ".lua" and not path.read_text().startswith("--")
