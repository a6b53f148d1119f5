# ruff: noqa: INP001  # a script of the Makefile's, and no package
"""Asks whether anything in requirements.lock has a known vulnerability: pip-audit does, this reads what it found.

Some mirrors of PyPI serve no page of one release, which is what pip-audit reads. What it could not ask about is looked
up on the page of the project, which tells of its newest release: an answer wherever that is what we lock.

Exit codes: 0 none is known, 1 there is one, 3 not everything could be asked (no network, or a registry that does not
tell): then nothing is claimed. `--unasked-may-pass`, for CI, makes that a loud 0: a registry that is away must not hold
up a change, and nobody is to think that it answered. `deploy/audit-exceptions.txt` names what is let pass, each with
its reason.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

__all__ = ["NOTHING", "NOT_ASKED", "VULNERABLE", "completed", "exceptions", "locked_in", "verdict"]

NOTHING, VULNERABLE, NOT_ASKED = 0, 1, 3
_EXCEPTIONS = Path(__file__).with_name("audit-exceptions.txt")
_LENIENT = "--unasked-may-pass"
_PROJECT = "https://pypi.org/pypi/{}/json"
_PATIENCE_S, _AT_ONCE = 10.0, 8
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


def locked_in(text: str) -> dict[str, str]:
    """The version of each package of a lock."""
    lines = [line.split()[0] for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    return dict(line.split("==") for line in lines)


def completed(told: dict[str, Any] | None, locked: dict[str, str], look: Callable[[str], Any]) -> dict[str, Any]:
    """The report, and what the projects' own pages tell of packages that it has nothing about.

    `look` finds the page of a project, or None.
    """
    known = {one["name"]: one for one in (told or {}).get("dependencies", ()) if "vulns" in one}
    unknown = [name for name in locked if name not in known]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        pages = dict(zip(unknown, pool.map(look, unknown), strict=True))
    found = [known.get(name) or _newest(name, version, pages[name]) for name, version in locked.items()]
    return {"dependencies": found}


def _newest(name: str, version: str, page: Any) -> dict[str, Any]:
    if page is None:
        return {"name": name, "skip_reason": "the registry did not answer"}
    newest = page["info"]["version"]
    if newest != version:
        return {"name": name, "skip_reason": f"the registry tells of {newest} alone, and {version} is locked"}
    flaws = [{**flaw, "fix_versions": flaw["fixed_in"]} for flaw in page["vulnerabilities"] if not flaw["withdrawn"]]
    return {"name": name, "version": version, "vulns": flaws}


def _page_of(name: str) -> Any:
    try:
        with urllib.request.urlopen(_PROJECT.format(name), timeout=_PATIENCE_S) as answer:  # noqa: S310  # https, ours
            page = json.load(answer)
    except (OSError, ValueError):
        return None
    return page if isinstance(page.get("vulnerabilities"), list) else None


def verdict(told: dict[str, Any], excepted: dict[str, str]) -> tuple[int, list[str]]:
    """The exit code and the lines to print, from a report such as pip-audit's."""
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
    lenient = _LENIENT in sys.argv
    *command, lock = [word for word in sys.argv[1:] if word != _LENIENT]
    told = completed(_report(command, lock), locked_in(Path(lock).read_text()), _page_of)
    code, lines = verdict(told, exceptions(_EXCEPTIONS.read_text()))
    sys.stdout.writelines(line + "\n" for line in lines)
    if code == NOT_ASKED and lenient:
        sys.stdout.write("\n!!! NOT EVERYTHING WAS AUDITED, see above: of that, nothing is known. Ask again.\n\n")
        return NOTHING
    return code


def _report(command: list[str], lock: str) -> dict[str, Any] | None:
    """What pip-audit found; None when it could ask nobody."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        subprocess.run(  # noqa: S603  # the command is the Makefile's
            [*command, *_AUDIT, "--requirement", lock, "--output", report], capture_output=True, text=True, check=False
        )
        return json.loads(report.read_text()) if report.exists() and report.stat().st_size else None


if __name__ == "__main__":
    sys.exit(main())
