"""What `make audit` makes of a report, and that its exceptions have reasons. The report itself needs the network."""

from __future__ import annotations

import runpy
from typing import Any

import pytest

from tests.contract.paths import ROOT, read

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


def test_no_report_is_no_good_report() -> None:
    assert AUDIT["verdict"](None, {})[0] == AUDIT["NOT_ASKED"]


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
