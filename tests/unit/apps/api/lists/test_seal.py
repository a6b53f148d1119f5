from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.api.lists.seal import Seal
from libs.errors import Refusal

SEAL = Seal(b"a secret")


def test_a_cursor_opens_for_its_owner() -> None:
    assert SEAL.open("usr_a /jobs", SEAL.close("usr_a /jobs", "job_1")) == "job_1"


@pytest.mark.parametrize("owner", ["usr_b /jobs", "usr_a /uploads", ""])
def test_a_cursor_opens_for_nobody_else(owner: str) -> None:
    with pytest.raises(Refusal, match="malformed_request"):
        SEAL.open(owner, SEAL.close("usr_a /jobs", "job_1"))


def test_a_cursor_of_another_deployment_does_not_open() -> None:
    with pytest.raises(Refusal, match="malformed_request"):
        Seal(b"another").open("usr_a", SEAL.close("usr_a", "job_1"))


@given(st.text(max_size=300))
def test_garbage_is_refused_whatever_it_is(cursor: str) -> None:
    with pytest.raises(Refusal, match="malformed_request"):
        SEAL.open("usr_a", cursor)


@given(st.binary(max_size=40), st.integers(0, 60))
def test_no_changed_cursor_opens(noise: bytes, at: int) -> None:
    cursor = SEAL.close("usr_a", "job_1")
    changed = cursor[:at] + noise.hex() + cursor[at:]
    if changed != cursor:
        with pytest.raises(Refusal, match="malformed_request"):
            SEAL.open("usr_a", changed)
