from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.artifacts.multipart import part_bytes_of
from libs.limits import UPLOAD_PART_BYTES_MIN, UPLOAD_PARTS_MAX

MIB = 2**20


@pytest.mark.parametrize(
    "size, part",
    [(1, 8 * MIB), (8_000 * MIB, 8 * MIB), (8_000 * MIB + 1, 9 * MIB), (5_000_000 * MIB, 5_000 * MIB)],
)
def test_parts_are_as_small_as_their_number_allows(size: int, part: int) -> None:
    assert part_bytes_of(size) == part


@given(st.integers(1, 5 * 2**40))
def test_there_are_never_too_many_parts_and_none_too_small(size: int) -> None:
    part = part_bytes_of(size)
    assert part >= UPLOAD_PART_BYTES_MIN
    assert -(-size // part) <= UPLOAD_PARTS_MAX
