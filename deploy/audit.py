# ruff: noqa: INP001  # a script of the Makefile's, and no package
"""Asks whether anything in requirements.lock has a known vulnerability: pip-audit does, this reads what it found.

Exit codes: 0 none is known, 1 there is one, 3 not everything could be asked (no network, or a registry that does not
tell): then nothing is claimed. `deploy/audit-exceptions.txt` names what is let pass, each with its reason.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["NOTHING", "NOT_ASKED", "VULNERABLE", "exceptions", "verdict"]

NOTHING, VULNERABLE, NOT_ASKED = 0, 1, 3
_EXCEPTIONS = Path(__file__).with_name("audit-exceptions.txt")
_AUDIT = ("--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json")


def exceptions(text: str) -> dict[str, str]:
    """What is let pass, and why. Raises ValueError for one without a reason."""
    found = {}
    for line in text.splitlines():
        name, _, reason = line.partition(" ")
        if name.startswith("#") or not name:
            continue
        if not reason.strip():
            raise ValueError(f"{name} has no reason")
        found[name] = reason.strip()
    return found


def verdict(told: dict[str, Any] | None, excepted: dict[str, str]) -> tuple[int, list[str]]:
    """The exit code and the lines to print, from pip-audit's report; None when it made none."""
    if told is None:
        return NOT_ASKED, ["not audited: the vulnerability service did not answer"]
    packages = told["dependencies"]
    found = [
        f"{one['name']} {one['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'no release'}"
        for one in packages
        for flaw in one.get("vulns", ())
        if not excepted.keys() & {flaw["id"], *flaw.get("aliases", ())}
    ]
    unasked = [f"not audited: {one['name']}: {one['skip_reason']}" for one in packages if "skip_reason" in one]
    if found:
        return VULNERABLE, found + unasked
    if unasked or not packages:
        return NOT_ASKED, [*unasked, f"{len(unasked)} of {len(packages)} could not be asked about"]
    return NOTHING, [f"no known vulnerability in {len(packages)} packages, {len(excepted)} let pass"]


def main() -> int:
    """Run the command that the arguments begin, over the lock that they end with; the exit code."""
    *command, lock = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        asked = subprocess.run(  # noqa: S603  # the command is the Makefile's
            [*command, *_AUDIT, "--requirement", lock, "--output", report], capture_output=True, text=True, check=False
        )
        told = json.loads(report.read_text()) if report.exists() and report.stat().st_size else None
    code, lines = verdict(told, exceptions(_EXCEPTIONS.read_text()))
    if told is None:
        lines += asked.stderr.splitlines()[-1:]
    sys.stdout.writelines(line + "\n" for line in lines)
    return code


if __name__ == "__main__":
    sys.exit(main())
