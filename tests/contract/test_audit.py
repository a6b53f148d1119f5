"""What `make audit` makes of a report, and that its exceptions have reasons. The report itself needs the network."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contract.paths import ROOT, project, read

AUDIT = runpy.run_path(str(ROOT / "deploy" / "audit.py"))
FLAW = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["2.0"], "description": "bad"}
SOUND: dict[str, Any] = {"name": "sound", "version": "1.0", "vulns": []}
FLAWED: dict[str, Any] = {"name": "flawed", "version": "1.0", "vulns": [FLAW]}
SKIPPED: dict[str, Any] = {"name": "unknown", "skip_reason": "not found"}


@pytest.mark.parametrize(
    "packages, excepted, code",
    [
        ([SOUND], {}, "NOTHING"),
        ([SOUND, FLAWED], {}, "VULNERABLE"),
        ([FLAWED], {"CVE-2026-2": "another"}, "VULNERABLE"),
        ([FLAWED, SKIPPED], {}, "VULNERABLE"),
        ([FLAWED], {"PYSEC-2026-1": "we do not call it"}, "NOTHING"),
        ([FLAWED], {"CVE-2026-1": "we do not call it"}, "NOTHING"),
        ([SOUND, SKIPPED], {}, "NOT_ASKED"),
        ([], {}, "NOT_ASKED"),
    ],
)
def test_only_what_was_asked_about_is_called_sound(packages: list[Any], excepted: dict[str, str], code: str) -> None:
    assert AUDIT["verdict"]({"dependencies": packages}, excepted)[0] == AUDIT[code]


def test_what_nobody_told_of_is_not_called_sound() -> None:
    told = AUDIT["completed"](None, {"unknown": "1.0"}, lambda _name: None)
    assert AUDIT["verdict"](told, {})[0] == AUDIT["NOT_ASKED"]


def page(version: str, *flaws: dict[str, Any]) -> dict[str, Any]:
    """A project's page as PyPI's JSON API has it."""
    return {"info": {"version": version}, "vulnerabilities": list(flaws)}


ON_ITS_PAGE = {"id": "PYSEC-2026-1", "aliases": [], "fixed_in": ["2.0"], "withdrawn": None}
WITHDRAWN = {**ON_ITS_PAGE, "withdrawn": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    "told, code",
    [
        (page("1.0"), "NOTHING"),
        (page("1.0", WITHDRAWN), "NOTHING"),
        (page("1.0", ON_ITS_PAGE), "VULNERABLE"),
        (page("1.1"), "NOT_ASKED"),
    ],
)
def test_the_page_of_a_project_answers_for_its_newest_release_alone(told: dict[str, Any], code: str) -> None:
    report = {"dependencies": [SOUND, {"name": "other", "skip_reason": "not found"}]}
    found = AUDIT["completed"](report, {"sound": "1.0", "other": "1.0"}, {"other": told}.__getitem__)
    assert AUDIT["verdict"](found, {})[0] == AUDIT[code]


def test_a_package_that_the_report_leaves_out_is_asked_about_all_the_same() -> None:
    asked: list[str] = []
    AUDIT["completed"]({"dependencies": [SOUND]}, {"sound": "1.0", "forgotten": "1.0"}, asked.append)
    assert asked == ["forgotten"]


def test_what_could_not_be_asked_about_passes_only_aloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text("unknown==1.0 \\\n    --hash=sha256:0\n")
    monkeypatch.setitem(AUDIT["main"].__globals__, "_page_of", lambda _name: None)
    for words, code in (((), AUDIT["NOT_ASKED"]), (("--unasked-may-pass",), AUDIT["NOTHING"])):
        monkeypatch.setattr(sys, "argv", ["audit.py", "true", *words, str(lock)])
        assert AUDIT["main"]() == code
        said = capsys.readouterr().out
        assert "not audited: unknown" in said
        assert ("!!! NOT EVERYTHING WAS AUDITED" in said) is bool(words)


def test_ci_audits() -> None:
    assert re.search(r"^make audit", read(".ci/run"), re.MULTILINE)


def test_every_exception_has_a_reason() -> None:
    AUDIT["exceptions"](read("deploy/audit-exceptions.txt"))
    with pytest.raises(ValueError, match="no reason"):
        AUDIT["exceptions"]("CVE-2026-1\n")


def test_everything_that_is_installed_is_locked_with_a_hash() -> None:
    for lock in ("requirements.lock", "deploy/image.lock", "deploy/build.lock"):
        pinned = [line for line in read(lock).splitlines() if line and not line.startswith((" ", "#"))]
        assert pinned
        blocks = read(lock).split("\n" + pinned[0], 1)[-1]
        assert blocks.count("--hash=sha256:") >= len(pinned)
        assert not [line for line in pinned if "==" not in line]


def test_no_floor_lies_below_the_version_that_is_audited() -> None:
    """Whoever installs us may get the floor of a dependency; what is locked is what is asked about."""
    locked = AUDIT["locked_in"](read("requirements.lock"))
    ours = project()["project"]
    extras = ours["optional-dependencies"]
    wanted = [*ours["dependencies"], *extras["embedded"], *extras["ocr"]]
    floors = dict(re.split(r"[>=]=", one.partition(",")[0]) for one in wanted)
    assert floors == {name: locked[name] for name in floors}
