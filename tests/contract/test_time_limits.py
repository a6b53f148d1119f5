"""Every failure for a time limit says whose fault it is: a file or a graph that is too slow is its sender's cost."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.contract.paths import ROOT, files

_WORDS = ("timed_out", "timeout", "too_slow", "busy")


def limits_in(source: str) -> Iterator[ast.Call]:
    """Calls of Failure whose code is about time."""
    names = {
        node.target.id: node.value.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Failure" and node.args:
            code = node.args[0]
            told = code.value if isinstance(code, ast.Constant) else names.get(getattr(code, "id", ""), "")
            if any(word in str(told) for word in _WORDS) or getattr(code, "id", "") == "TOO_SLOW":
                yield node


def test_no_time_limit_leaves_its_fault_at_the_default() -> None:
    found = [
        (f"{path}:{call.lineno}", "fault" in {word.arg for word in call.keywords})
        for path in files("apps", "libs", suffixes=(".py",))
        for call in limits_in((ROOT / path).read_text())
    ]
    assert len(found) >= 8
    assert [place for place, said in found if not said] == []
