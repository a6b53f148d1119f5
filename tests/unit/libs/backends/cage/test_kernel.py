"""What is missing is said in one line, and nothing where nothing is missing."""

from __future__ import annotations

import pytest

from libs.backends.cage.kernel import Kernel, weaknesses


@pytest.mark.parametrize(
    "seccomp, landlock, said",
    [(True, 7, None), (True, 0, "no Landlock"), (False, 4, "seccomp is missing"), (False, 0, "neither seccomp")],
)
def test_a_kernel_is_told_by_what_it_lacks(seccomp: bool, landlock: int, said: str | None) -> None:
    lines = list(weaknesses(Kernel(seccomp, landlock)))
    assert len(lines) == (said is not None)
    assert all(said is not None and said in line and "\n" not in line for line in lines)
