"""Parts that pip does not bring: a test that needs one skips, with a line that says how to get it.

ARQADE_TEST_REQUIRE_ALL=1 turns every such skip into a failure; .ci/run sets it.
"""

from __future__ import annotations

import os
import shutil

import pytest

__all__ = ["need", "need_program"]


def need(part: str, *, found: bool, how: str) -> None:
    """Go on when the part is there; else skip the test, or fail it where everything must be there."""
    if found:
        return
    line = f"{part} is missing: {how}"
    if os.environ.get("ARQADE_TEST_REQUIRE_ALL"):
        pytest.fail(line, pytrace=False)
    pytest.skip(line)


def need_program(name: str, *, how: str) -> str:
    """The path of a program, for a test that cannot do without it."""
    path = shutil.which(name)
    need(name, found=path is not None, how=how)
    return path or name
